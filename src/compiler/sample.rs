//! What packets hold, in small: requests, answers, markup, records and prose. Used to guess how
//! often a test lets something pass that is no match; a bad guess costs time, never a match.

/// About two thousand bytes of it.
pub(super) const TEXT: &[u8] = b"GET /index.html?lang=en&page=2 HTTP/1.1\r\nHost: www.example.org\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\n\
Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark\r\n\r\n\
HTTP/1.1 200 OK\r\nDate: Tue, 03 Mar 2026 10:15:30 GMT\r\nServer: nginx/1.26.2\r\n\
Content-Type: text/html; charset=utf-8\r\nContent-Length: 1256\r\nCache-Control: max-age=3600\r\n\
Last-Modified: Mon, 02 Mar 2026 08:00:00 GMT\r\nETag: \"65e2f-4e8\"\r\n\r\n\
<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n  <meta charset=\"utf-8\">\n  <title>Harbour times</title>\n\
  <link rel=\"stylesheet\" href=\"/static/style.css\">\n  <script src=\"/static/app.js\"></script>\n</head>\n\
<body class=\"main\">\n  <div id=\"content\">\n    <h1>Ships that leave today</h1>\n\
    <p>The ferry to the outer islands leaves from the old pier at half past nine, weather allowing, \
and returns before dark. Tickets are sold on board; whoever brings a bicycle should be there a quarter \
of an hour early, because there is room for twenty of them and no more than that.</p>\n\
    <a href=\"https://www.example.org/tickets?from=pier&to=island\">Buy a ticket</a>\n  </div>\n</body>\n</html>\n\
{\"id\": 4711, \"name\": \"pump 3\", \"state\": \"running\", \"pressure\": [1.02, 1.05, 0.98], \"alarm\": null, \
\"updated\": \"2026-03-03T10:15:30Z\", \"tags\": {\"site\": \"north\", \"level\": 2}}\n\
POST /api/v1/login HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\nuser=anna&password=secret\n\
SELECT name, price FROM items WHERE category = 'tools' AND price < 100 ORDER BY name LIMIT 20;\n\
Mar  3 10:15:31 gateway sshd[2211]: Accepted publickey for deploy from 192.0.2.17 port 50022 ssh2\n\
EHLO mail.example.com\r\nMAIL FROM:<anna@example.com>\r\nRCPT TO:<ben@example.net>\r\nDATA\r\n\
Subject: Minutes of the meeting\r\n\r\nDear Ben, please find below what we agreed on last Thursday.\r\n";
