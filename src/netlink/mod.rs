//! rtnetlink: links, addresses, XDP attachment, and the kernel's own error texts.
