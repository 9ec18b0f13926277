.program hardwire xdp frags
.map counters percpu_array key 4 value 128 entries 1
.map hits percpu_array key 4 value 24 entries 1
.map scratch percpu_array key 4 value 4392 entries 1
; entry: context
.function main
    0: (bf) r6 = r1
    1: (7b) *(u64 *)(r10 -40) = r6
; entry: frame length
    2: (bf) r1 = r6
    3: (85) call bpf_xdp_get_buff_len#188
    4: (bf) r8 = r0
    5: (63) *(u32 *)(r10 -20) = r8
; entry: counters of this CPU
    6: (62) *(u32 *)(r10 -44) = 0
    7: (bf) r2 = r10
    8: (07) r2 += -44
    9: (18) r1 = map[counters]
   11: (85) call bpf_map_lookup_elem#1
   12: (55) if r0 != 0x0 goto pc+2
   13: (b7) r0 = 2
   14: (95) exit
>  15: (7b) *(u64 *)(r10 -56) = r0
   16: (79) r1 = *(u64 *)(r0 +0)
   17: (07) r1 += 1
   18: (7b) *(u64 *)(r0 +0) = r1
   19: (79) r1 = *(u64 *)(r0 +8)
   20: (0f) r1 += r8
   21: (7b) *(u64 *)(r0 +8) = r1
   22: (61) r2 = *(u32 *)(r6 +0)
   23: (61) r3 = *(u32 *)(r6 +4)
   24: (bf) r7 = r3
   25: (1f) r7 -= r2
   26: (1f) r7 -= r7
; scope: scope: the whole frame
   27: (b7) r9 = 0
   28: (af) r9 ^= r7
   29: (63) *(u32 *)(r10 -4) = r9
   30: (63) *(u32 *)(r10 -12) = r8
   31: (73) *(u8 *)(r10 -5) = r7
   32: (b5) if r8 <= 0xffff goto pc+2
   33: (72) *(u8 *)(r10 -5) = 1
   34: (62) *(u32 *)(r10 -12) = 65535
>  35: (73) *(u8 *)(r10 -7) = r7
   36: (73) *(u8 *)(r10 -6) = r7
   37: (62) *(u32 *)(r10 -48) = 1
   38: (62) *(u32 *)(r10 -44) = 1
; scan: table of 29 fingerprints of 1 literals, stride 29
   39: (18) r0 = 0xffff2fffffff70ff
   41: (7b) *(u64 *)(r10 -408) = r0
   42: (7a) *(u64 *)(r10 -400) = -1
   43: (7a) *(u64 *)(r10 -392) = -53249
   44: (18) r0 = 0x22ffffffffffffff
   46: (7b) *(u64 *)(r10 -384) = r0
   47: (7a) *(u64 *)(r10 -376) = -1
   48: (7a) *(u64 *)(r10 -368) = -1
   49: (18) r0 = 0xff72ffffffffffff
   51: (7b) *(u64 *)(r10 -360) = r0
   52: (18) r0 = 0xffff30ffffffffff
   54: (7b) *(u64 *)(r10 -352) = r0
   55: (7a) *(u64 *)(r10 -344) = -1
   56: (7a) *(u64 *)(r10 -336) = -10092545
   57: (7a) *(u64 *)(r10 -328) = -1
   58: (18) r0 = 0xff2effff31ff6dff
   60: (7b) *(u64 *)(r10 -320) = r0
   61: (18) r0 = 0xff373038ffffffff
   63: (7b) *(u64 *)(r10 -312) = r0
   64: (18) r0 = 0xff35ffffff74ffff
   66: (7b) *(u64 *)(r10 -304) = r0
   67: (7a) *(u64 *)(r10 -296) = -35585
   68: (18) r0 = 0xffff20ffffffffff
   70: (7b) *(u64 *)(r10 -288) = r0
   71: (18) r0 = 0xff61ffff312e31ff
   73: (7b) *(u64 *)(r10 -280) = r0
   74: (7a) *(u64 *)(r10 -272) = -1
   75: (7a) *(u64 *)(r10 -264) = -1
   76: (18) r0 = 0x2effffffffffffff
   78: (7b) *(u64 *)(r10 -256) = r0
   79: (7a) *(u64 *)(r10 -248) = -1
   80: (18) r0 = 0xffffff73ffffffff
   82: (7b) *(u64 *)(r10 -240) = r0
   83: (7a) *(u64 *)(r10 -232) = -50689
   84: (7a) *(u64 *)(r10 -224) = -1
   85: (7a) *(u64 *)(r10 -216) = -1
   86: (7a) *(u64 *)(r10 -208) = -1
   87: (7a) *(u64 *)(r10 -200) = -1
   88: (7a) *(u64 *)(r10 -192) = -1
   89: (18) r0 = 0xff63ffffffffffff
   91: (7b) *(u64 *)(r10 -184) = r0
   92: (7a) *(u64 *)(r10 -176) = -9895937
   93: (18) r0 = 0x3aff3dffffffffff
   95: (7b) *(u64 *)(r10 -168) = r0
   96: (7a) *(u64 *)(r10 -160) = -9240577
; scan: the linear part
   97: (79) r1 = *(u64 *)(r10 -40)
   98: (61) r2 = *(u32 *)(r1 +0)
   99: (61) r3 = *(u32 *)(r1 +4)
  100: (bf) r9 = r3
  101: (1f) r9 -= r2
  102: (61) r0 = *(u32 *)(r10 -12)
  103: (bd) if r9 <= r0 goto pc+1
  104: (bf) r9 = r0
> 105: (b5) if r9 <= 0xf000 goto pc+1
  106: (b7) r9 = 61440
> 107: (63) *(u32 *)(r10 -32) = r9
  108: (61) r8 = *(u32 *)(r10 -4)
  109: (63) *(u32 *)(r10 -28) = r8
  110: (61) r8 = *(u32 *)(r10 -28)
  111: (bf) r0 = r8
  112: (07) r0 += 207
  113: (61) r7 = *(u32 *)(r10 -32)
  114: (2d) if r0 > r7 goto pc+88
  115: (07) r7 += -207
  116: (63) *(u32 *)(r10 -28) = r7
  117: (61) r7 = *(u32 *)(r10 -28)
; scan: blocks of 8 looks, 29 bytes apart
> 118: (b7) r0 = 0
  119: (b7) r1 = 0
  120: (b7) r4 = 0
  121: (b7) r5 = 0
  122: (b7) r6 = 0
  123: (e5) may_goto pc+2241
  124: (2d) if r8 > r7 goto pc+64
  125: (25) if r8 > 0xf000 goto pc+2239
  126: (bf) r6 = r2
  127: (0f) r6 += r8
  128: (bf) r5 = r6
  129: (07) r5 += 207
  130: (2d) if r5 > r3 goto pc+2234
  131: (61) r0 = *(u32 *)(r6 +0)
  132: (24) w0 *= 1053855065
  133: (74) w0 >>= 24
  134: (0f) r0 += r10
  135: (71) r0 = *(u8 *)(r0 -408)
  136: (91) r1 = *(s8 *)(r6 +3)
  137: (1d) if r0 == r1 goto pc+91
  138: (61) r0 = *(u32 *)(r6 +29)
  139: (24) w0 *= 1053855065
  140: (74) w0 >>= 24
  141: (0f) r0 += r10
  142: (71) r0 = *(u8 *)(r0 -408)
  143: (91) r1 = *(s8 *)(r6 +32)
  144: (1d) if r0 == r1 goto pc+85
  145: (61) r0 = *(u32 *)(r6 +58)
  146: (24) w0 *= 1053855065
  147: (74) w0 >>= 24
  148: (0f) r0 += r10
  149: (71) r0 = *(u8 *)(r0 -408)
  150: (91) r1 = *(s8 *)(r6 +61)
  151: (1d) if r0 == r1 goto pc+80
  152: (61) r0 = *(u32 *)(r6 +87)
  153: (24) w0 *= 1053855065
  154: (74) w0 >>= 24
  155: (0f) r0 += r10
  156: (71) r0 = *(u8 *)(r0 -408)
  157: (91) r1 = *(s8 *)(r6 +90)
  158: (1d) if r0 == r1 goto pc+75
  159: (61) r0 = *(u32 *)(r6 +116)
  160: (24) w0 *= 1053855065
  161: (74) w0 >>= 24
  162: (0f) r0 += r10
  163: (71) r0 = *(u8 *)(r0 -408)
  164: (91) r1 = *(s8 *)(r6 +119)
  165: (1d) if r0 == r1 goto pc+70
  166: (61) r0 = *(u32 *)(r6 +145)
  167: (24) w0 *= 1053855065
  168: (74) w0 >>= 24
  169: (0f) r0 += r10
  170: (71) r0 = *(u8 *)(r0 -408)
  171: (91) r1 = *(s8 *)(r6 +148)
  172: (1d) if r0 == r1 goto pc+65
  173: (61) r0 = *(u32 *)(r6 +174)
  174: (24) w0 *= 1053855065
  175: (74) w0 >>= 24
  176: (0f) r0 += r10
  177: (71) r0 = *(u8 *)(r0 -408)
  178: (91) r1 = *(s8 *)(r6 +177)
  179: (1d) if r0 == r1 goto pc+60
  180: (61) r0 = *(u32 *)(r6 +203)
  181: (24) w0 *= 1053855065
  182: (74) w0 >>= 24
  183: (0f) r0 += r10
  184: (71) r0 = *(u8 *)(r0 -408)
  185: (91) r1 = *(s8 *)(r6 +206)
  186: (1d) if r0 == r1 goto pc+55
  187: (07) r8 += 232
  188: (05) goto pc-71
; scan: the last block, moved back by a multiple of the stride
> 189: (bf) r0 = r8
  190: (07) r0 += 4
  191: (61) r1 = *(u32 *)(r10 -32)
  192: (2d) if r0 > r1 goto pc+1066
  193: (bf) r0 = r8
  194: (1f) r0 -= r7
  195: (07) r0 += 28
  196: (27) r0 *= 2260
  197: (77) r0 >>= 16
  198: (27) r0 *= 29
  199: (1f) r8 -= r0
  200: (63) *(u32 *)(r10 -28) = r8
  201: (61) r8 = *(u32 *)(r10 -28)
  202: (05) goto pc-85
; scan: look by look
> 203: (b7) r0 = 0
  204: (b7) r1 = 0
  205: (b7) r4 = 0
  206: (b7) r5 = 0
  207: (b7) r6 = 0
  208: (b7) r7 = 0
  209: (e5) may_goto pc+2155
  210: (bf) r0 = r8
  211: (07) r0 += 4
  212: (61) r1 = *(u32 *)(r10 -32)
  213: (2d) if r0 > r1 goto pc+1045
  214: (25) if r8 > 0xf000 goto pc+2150
  215: (bf) r6 = r2
  216: (0f) r6 += r8
  217: (bf) r5 = r6
  218: (07) r5 += 4
  219: (2d) if r5 > r3 goto pc+2145
  220: (61) r0 = *(u32 *)(r6 +0)
  221: (24) w0 *= 1053855065
  222: (74) w0 >>= 24
  223: (0f) r0 += r10
  224: (71) r0 = *(u8 *)(r0 -408)
  225: (91) r1 = *(s8 *)(r6 +3)
  226: (1d) if r0 == r1 goto pc+17
  227: (07) r8 += 29
  228: (05) goto pc-26
; scan: one of the looks
> 229: (05) goto pc+14
> 230: (07) r8 += 29
  231: (05) goto pc+12
> 232: (07) r8 += 58
  233: (05) goto pc+10
> 234: (07) r8 += 87
  235: (05) goto pc+8
> 236: (07) r8 += 116
  237: (05) goto pc+6
> 238: (07) r8 += 145
  239: (05) goto pc+4
> 240: (07) r8 += 174
  241: (05) goto pc+2
> 242: (07) r8 += 203
  243: (05) goto pc+0
> 244: (63) *(u32 *)(r10 -28) = r8
  245: (61) r8 = *(u32 *)(r10 -28)
  246: (25) if r8 > 0xf000 goto pc+2118
  247: (bf) r6 = r2
  248: (0f) r6 += r8
  249: (bf) r5 = r6
  250: (07) r5 += 4
  251: (2d) if r5 > r3 goto pc+2113
  252: (61) r0 = *(u32 *)(r6 +0)
  253: (24) w0 *= 1053855065
  254: (74) w0 >>= 24
; scan: tree of slots
  255: (36) if w0 >= 0x6e goto pc+25
  256: (36) if w0 >= 0x59 goto pc+12
  257: (36) if w0 >= 0x1f goto pc+4
  258: (16) if w0 == 0x1 goto pc+50
  259: (16) if w0 == 0x5 goto pc+81
  260: (16) if w0 == 0x11 goto pc+112
  261: (05) goto pc+988
> 262: (36) if w0 >= 0x3d goto pc+3
  263: (16) if w0 == 0x1f goto pc+141
  264: (16) if w0 == 0x36 goto pc+172
  265: (05) goto pc+984
> 266: (16) if w0 == 0x3d goto pc+201
  267: (16) if w0 == 0x4a goto pc+232
  268: (05) goto pc+981
> 269: (36) if w0 >= 0x64 goto pc+4
  270: (16) if w0 == 0x59 goto pc+261
  271: (16) if w0 == 0x5b goto pc+292
  272: (16) if w0 == 0x5e goto pc+323
  273: (05) goto pc+976
> 274: (36) if w0 >= 0x66 goto pc+3
  275: (16) if w0 == 0x64 goto pc+352
  276: (16) if w0 == 0x65 goto pc+383
  277: (05) goto pc+972
> 278: (16) if w0 == 0x66 goto pc+413
  279: (16) if w0 == 0x6a goto pc+444
  280: (05) goto pc+969
> 281: (36) if w0 >= 0x9f goto pc+12
  282: (36) if w0 >= 0x81 goto pc+4
  283: (16) if w0 == 0x6e goto pc+472
  284: (16) if w0 == 0x71 goto pc+503
  285: (16) if w0 == 0x7d goto pc+534
  286: (05) goto pc+963
> 287: (36) if w0 >= 0x83 goto pc+3
  288: (16) if w0 == 0x81 goto pc+563
  289: (16) if w0 == 0x82 goto pc+594
  290: (05) goto pc+959
> 291: (16) if w0 == 0x83 goto pc+624
  292: (16) if w0 == 0x86 goto pc+655
  293: (05) goto pc+956
> 294: (36) if w0 >= 0xea goto pc+7
  295: (36) if w0 >= 0xb1 goto pc+3
  296: (16) if w0 == 0x9f goto pc+683
  297: (16) if w0 == 0xac goto pc+714
  298: (05) goto pc+951
> 299: (16) if w0 == 0xb1 goto pc+744
  300: (16) if w0 == 0xe6 goto pc+775
  301: (05) goto pc+948
> 302: (36) if w0 >= 0xf7 goto pc+3
  303: (16) if w0 == 0xea goto pc+804
  304: (16) if w0 == 0xf5 goto pc+835
  305: (05) goto pc+944
> 306: (16) if w0 == 0xf7 goto pc+865
  307: (16) if w0 == 0xfa goto pc+896
  308: (05) goto pc+941
; bounds: would begin 13 bytes before [pattern 1]
> 309: (61) r7 = *(u32 *)(r10 -28)
  310: (07) r7 += -13
  311: (25) if r7 > 0xf000 goto pc+938
  312: (bf) r4 = r2
  313: (0f) r4 += r7
  314: (bf) r5 = r4
  315: (07) r5 += 33
  316: (2d) if r5 > r3 goto pc+933
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  317: (79) r0 = *(u64 *)(r4 +0)
  318: (18) r1 = 0x20656d617266693c
  320: (5d) if r0 != r1 goto pc+929
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  321: (79) r0 = *(u64 *)(r4 +8)
  322: (18) r1 = 0x747468223d637273
  324: (5d) if r0 != r1 goto pc+925
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  325: (79) r0 = *(u64 *)(r4 +16)
  326: (18) r1 = 0x2e3839312f2f3a70
  328: (5d) if r0 != r1 goto pc+921
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  329: (79) r0 = *(u64 *)(r4 +24)
  330: (18) r1 = 0x372e3030312e3135
  332: (5d) if r0 != r1 goto pc+917
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  333: (79) r0 = *(u64 *)(r4 +25)
  334: (18) r1 = 0x2f372e3030312e31
  336: (5d) if r0 != r1 goto pc+913
  337: (bf) r0 = r7
  338: (1f) r0 -= r0
  339: (63) *(u32 *)(r10 -44) = r0
  340: (05) goto pc+895
; bounds: would begin 16 bytes before [pattern 1]
> 341: (61) r7 = *(u32 *)(r10 -28)
  342: (07) r7 += -16
  343: (25) if r7 > 0xf000 goto pc+906
  344: (bf) r4 = r2
  345: (0f) r4 += r7
  346: (bf) r5 = r4
  347: (07) r5 += 33
  348: (2d) if r5 > r3 goto pc+901
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  349: (79) r0 = *(u64 *)(r4 +0)
  350: (18) r1 = 0x20656d617266693c
  352: (5d) if r0 != r1 goto pc+897
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  353: (79) r0 = *(u64 *)(r4 +8)
  354: (18) r1 = 0x747468223d637273
  356: (5d) if r0 != r1 goto pc+893
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  357: (79) r0 = *(u64 *)(r4 +16)
  358: (18) r1 = 0x2e3839312f2f3a70
  360: (5d) if r0 != r1 goto pc+889
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  361: (79) r0 = *(u64 *)(r4 +24)
  362: (18) r1 = 0x372e3030312e3135
  364: (5d) if r0 != r1 goto pc+885
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  365: (79) r0 = *(u64 *)(r4 +25)
  366: (18) r1 = 0x2f372e3030312e31
  368: (5d) if r0 != r1 goto pc+881
  369: (bf) r0 = r7
  370: (1f) r0 -= r0
  371: (63) *(u32 *)(r10 -44) = r0
  372: (05) goto pc+863
; bounds: would begin 15 bytes before [pattern 1]
> 373: (61) r7 = *(u32 *)(r10 -28)
  374: (07) r7 += -15
  375: (25) if r7 > 0xf000 goto pc+874
  376: (bf) r4 = r2
  377: (0f) r4 += r7
  378: (bf) r5 = r4
  379: (07) r5 += 33
  380: (2d) if r5 > r3 goto pc+869
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  381: (79) r0 = *(u64 *)(r4 +0)
  382: (18) r1 = 0x20656d617266693c
  384: (5d) if r0 != r1 goto pc+865
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  385: (79) r0 = *(u64 *)(r4 +8)
  386: (18) r1 = 0x747468223d637273
  388: (5d) if r0 != r1 goto pc+861
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  389: (79) r0 = *(u64 *)(r4 +16)
  390: (18) r1 = 0x2e3839312f2f3a70
  392: (5d) if r0 != r1 goto pc+857
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  393: (79) r0 = *(u64 *)(r4 +24)
  394: (18) r1 = 0x372e3030312e3135
  396: (5d) if r0 != r1 goto pc+853
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  397: (79) r0 = *(u64 *)(r4 +25)
  398: (18) r1 = 0x2f372e3030312e31
  400: (5d) if r0 != r1 goto pc+849
  401: (bf) r0 = r7
  402: (1f) r0 -= r0
  403: (63) *(u32 *)(r10 -44) = r0
  404: (05) goto pc+831
; bounds: would begin 9 bytes before [pattern 1]
> 405: (61) r7 = *(u32 *)(r10 -28)
  406: (07) r7 += -9
  407: (25) if r7 > 0xf000 goto pc+842
  408: (bf) r4 = r2
  409: (0f) r4 += r7
  410: (bf) r5 = r4
  411: (07) r5 += 33
  412: (2d) if r5 > r3 goto pc+837
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  413: (79) r0 = *(u64 *)(r4 +0)
  414: (18) r1 = 0x20656d617266693c
  416: (5d) if r0 != r1 goto pc+833
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  417: (79) r0 = *(u64 *)(r4 +8)
  418: (18) r1 = 0x747468223d637273
  420: (5d) if r0 != r1 goto pc+829
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  421: (79) r0 = *(u64 *)(r4 +16)
  422: (18) r1 = 0x2e3839312f2f3a70
  424: (5d) if r0 != r1 goto pc+825
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  425: (79) r0 = *(u64 *)(r4 +24)
  426: (18) r1 = 0x372e3030312e3135
  428: (5d) if r0 != r1 goto pc+821
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  429: (79) r0 = *(u64 *)(r4 +25)
  430: (18) r1 = 0x2f372e3030312e31
  432: (5d) if r0 != r1 goto pc+817
  433: (bf) r0 = r7
  434: (1f) r0 -= r0
  435: (63) *(u32 *)(r10 -44) = r0
  436: (05) goto pc+799
; bounds: would begin 0 bytes before [pattern 1]
> 437: (61) r7 = *(u32 *)(r10 -28)
  438: (25) if r7 > 0xf000 goto pc+811
  439: (bf) r4 = r2
  440: (0f) r4 += r7
  441: (bf) r5 = r4
  442: (07) r5 += 33
  443: (2d) if r5 > r3 goto pc+806
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  444: (79) r0 = *(u64 *)(r4 +0)
  445: (18) r1 = 0x20656d617266693c
  447: (5d) if r0 != r1 goto pc+802
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  448: (79) r0 = *(u64 *)(r4 +8)
  449: (18) r1 = 0x747468223d637273
  451: (5d) if r0 != r1 goto pc+798
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  452: (79) r0 = *(u64 *)(r4 +16)
  453: (18) r1 = 0x2e3839312f2f3a70
  455: (5d) if r0 != r1 goto pc+794
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  456: (79) r0 = *(u64 *)(r4 +24)
  457: (18) r1 = 0x372e3030312e3135
  459: (5d) if r0 != r1 goto pc+790
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  460: (79) r0 = *(u64 *)(r4 +25)
  461: (18) r1 = 0x2f372e3030312e31
  463: (5d) if r0 != r1 goto pc+786
  464: (bf) r0 = r7
  465: (1f) r0 -= r0
  466: (63) *(u32 *)(r10 -44) = r0
  467: (05) goto pc+768
; bounds: would begin 25 bytes before [pattern 1]
> 468: (61) r7 = *(u32 *)(r10 -28)
  469: (07) r7 += -25
  470: (25) if r7 > 0xf000 goto pc+779
  471: (bf) r4 = r2
  472: (0f) r4 += r7
  473: (bf) r5 = r4
  474: (07) r5 += 33
  475: (2d) if r5 > r3 goto pc+774
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  476: (79) r0 = *(u64 *)(r4 +0)
  477: (18) r1 = 0x20656d617266693c
  479: (5d) if r0 != r1 goto pc+770
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  480: (79) r0 = *(u64 *)(r4 +8)
  481: (18) r1 = 0x747468223d637273
  483: (5d) if r0 != r1 goto pc+766
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  484: (79) r0 = *(u64 *)(r4 +16)
  485: (18) r1 = 0x2e3839312f2f3a70
  487: (5d) if r0 != r1 goto pc+762
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  488: (79) r0 = *(u64 *)(r4 +24)
  489: (18) r1 = 0x372e3030312e3135
  491: (5d) if r0 != r1 goto pc+758
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  492: (79) r0 = *(u64 *)(r4 +25)
  493: (18) r1 = 0x2f372e3030312e31
  495: (5d) if r0 != r1 goto pc+754
  496: (bf) r0 = r7
  497: (1f) r0 -= r0
  498: (63) *(u32 *)(r10 -44) = r0
  499: (05) goto pc+736
; bounds: would begin 3 bytes before [pattern 1]
> 500: (61) r7 = *(u32 *)(r10 -28)
  501: (07) r7 += -3
  502: (25) if r7 > 0xf000 goto pc+747
  503: (bf) r4 = r2
  504: (0f) r4 += r7
  505: (bf) r5 = r4
  506: (07) r5 += 33
  507: (2d) if r5 > r3 goto pc+742
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  508: (79) r0 = *(u64 *)(r4 +0)
  509: (18) r1 = 0x20656d617266693c
  511: (5d) if r0 != r1 goto pc+738
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  512: (79) r0 = *(u64 *)(r4 +8)
  513: (18) r1 = 0x747468223d637273
  515: (5d) if r0 != r1 goto pc+734
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  516: (79) r0 = *(u64 *)(r4 +16)
  517: (18) r1 = 0x2e3839312f2f3a70
  519: (5d) if r0 != r1 goto pc+730
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  520: (79) r0 = *(u64 *)(r4 +24)
  521: (18) r1 = 0x372e3030312e3135
  523: (5d) if r0 != r1 goto pc+726
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  524: (79) r0 = *(u64 *)(r4 +25)
  525: (18) r1 = 0x2f372e3030312e31
  527: (5d) if r0 != r1 goto pc+722
  528: (bf) r0 = r7
  529: (1f) r0 -= r0
  530: (63) *(u32 *)(r10 -44) = r0
  531: (05) goto pc+704
; bounds: would begin 2 bytes before [pattern 1]
> 532: (61) r7 = *(u32 *)(r10 -28)
  533: (07) r7 += -2
  534: (25) if r7 > 0xf000 goto pc+715
  535: (bf) r4 = r2
  536: (0f) r4 += r7
  537: (bf) r5 = r4
  538: (07) r5 += 33
  539: (2d) if r5 > r3 goto pc+710
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  540: (79) r0 = *(u64 *)(r4 +0)
  541: (18) r1 = 0x20656d617266693c
  543: (5d) if r0 != r1 goto pc+706
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  544: (79) r0 = *(u64 *)(r4 +8)
  545: (18) r1 = 0x747468223d637273
  547: (5d) if r0 != r1 goto pc+702
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  548: (79) r0 = *(u64 *)(r4 +16)
  549: (18) r1 = 0x2e3839312f2f3a70
  551: (5d) if r0 != r1 goto pc+698
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  552: (79) r0 = *(u64 *)(r4 +24)
  553: (18) r1 = 0x372e3030312e3135
  555: (5d) if r0 != r1 goto pc+694
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  556: (79) r0 = *(u64 *)(r4 +25)
  557: (18) r1 = 0x2f372e3030312e31
  559: (5d) if r0 != r1 goto pc+690
  560: (bf) r0 = r7
  561: (1f) r0 -= r0
  562: (63) *(u32 *)(r10 -44) = r0
  563: (05) goto pc+672
; bounds: would begin 24 bytes before [pattern 1]
> 564: (61) r7 = *(u32 *)(r10 -28)
  565: (07) r7 += -24
  566: (25) if r7 > 0xf000 goto pc+683
  567: (bf) r4 = r2
  568: (0f) r4 += r7
  569: (bf) r5 = r4
  570: (07) r5 += 33
  571: (2d) if r5 > r3 goto pc+678
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  572: (79) r0 = *(u64 *)(r4 +0)
  573: (18) r1 = 0x20656d617266693c
  575: (5d) if r0 != r1 goto pc+674
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  576: (79) r0 = *(u64 *)(r4 +8)
  577: (18) r1 = 0x747468223d637273
  579: (5d) if r0 != r1 goto pc+670
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  580: (79) r0 = *(u64 *)(r4 +16)
  581: (18) r1 = 0x2e3839312f2f3a70
  583: (5d) if r0 != r1 goto pc+666
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  584: (79) r0 = *(u64 *)(r4 +24)
  585: (18) r1 = 0x372e3030312e3135
  587: (5d) if r0 != r1 goto pc+662
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  588: (79) r0 = *(u64 *)(r4 +25)
  589: (18) r1 = 0x2f372e3030312e31
  591: (5d) if r0 != r1 goto pc+658
  592: (bf) r0 = r7
  593: (1f) r0 -= r0
  594: (63) *(u32 *)(r10 -44) = r0
  595: (05) goto pc+640
; bounds: would begin 20 bytes before [pattern 1]
> 596: (61) r7 = *(u32 *)(r10 -28)
  597: (07) r7 += -20
  598: (25) if r7 > 0xf000 goto pc+651
  599: (bf) r4 = r2
  600: (0f) r4 += r7
  601: (bf) r5 = r4
  602: (07) r5 += 33
  603: (2d) if r5 > r3 goto pc+646
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  604: (79) r0 = *(u64 *)(r4 +0)
  605: (18) r1 = 0x20656d617266693c
  607: (5d) if r0 != r1 goto pc+642
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  608: (79) r0 = *(u64 *)(r4 +8)
  609: (18) r1 = 0x747468223d637273
  611: (5d) if r0 != r1 goto pc+638
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  612: (79) r0 = *(u64 *)(r4 +16)
  613: (18) r1 = 0x2e3839312f2f3a70
  615: (5d) if r0 != r1 goto pc+634
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  616: (79) r0 = *(u64 *)(r4 +24)
  617: (18) r1 = 0x372e3030312e3135
  619: (5d) if r0 != r1 goto pc+630
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  620: (79) r0 = *(u64 *)(r4 +25)
  621: (18) r1 = 0x2f372e3030312e31
  623: (5d) if r0 != r1 goto pc+626
  624: (bf) r0 = r7
  625: (1f) r0 -= r0
  626: (63) *(u32 *)(r10 -44) = r0
  627: (05) goto pc+608
; bounds: would begin 19 bytes before [pattern 1]
> 628: (61) r7 = *(u32 *)(r10 -28)
  629: (07) r7 += -19
  630: (25) if r7 > 0xf000 goto pc+619
  631: (bf) r4 = r2
  632: (0f) r4 += r7
  633: (bf) r5 = r4
  634: (07) r5 += 33
  635: (2d) if r5 > r3 goto pc+614
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  636: (79) r0 = *(u64 *)(r4 +0)
  637: (18) r1 = 0x20656d617266693c
  639: (5d) if r0 != r1 goto pc+610
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  640: (79) r0 = *(u64 *)(r4 +8)
  641: (18) r1 = 0x747468223d637273
  643: (5d) if r0 != r1 goto pc+606
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  644: (79) r0 = *(u64 *)(r4 +16)
  645: (18) r1 = 0x2e3839312f2f3a70
  647: (5d) if r0 != r1 goto pc+602
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  648: (79) r0 = *(u64 *)(r4 +24)
  649: (18) r1 = 0x372e3030312e3135
  651: (5d) if r0 != r1 goto pc+598
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  652: (79) r0 = *(u64 *)(r4 +25)
  653: (18) r1 = 0x2f372e3030312e31
  655: (5d) if r0 != r1 goto pc+594
  656: (bf) r0 = r7
  657: (1f) r0 -= r0
  658: (63) *(u32 *)(r10 -44) = r0
  659: (05) goto pc+576
; bounds: would begin 26 bytes before [pattern 1]
> 660: (61) r7 = *(u32 *)(r10 -28)
  661: (07) r7 += -26
  662: (25) if r7 > 0xf000 goto pc+587
  663: (bf) r4 = r2
  664: (0f) r4 += r7
  665: (bf) r5 = r4
  666: (07) r5 += 33
  667: (2d) if r5 > r3 goto pc+582
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  668: (79) r0 = *(u64 *)(r4 +0)
  669: (18) r1 = 0x20656d617266693c
  671: (5d) if r0 != r1 goto pc+578
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  672: (79) r0 = *(u64 *)(r4 +8)
  673: (18) r1 = 0x747468223d637273
  675: (5d) if r0 != r1 goto pc+574
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  676: (79) r0 = *(u64 *)(r4 +16)
  677: (18) r1 = 0x2e3839312f2f3a70
  679: (5d) if r0 != r1 goto pc+570
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  680: (79) r0 = *(u64 *)(r4 +24)
  681: (18) r1 = 0x372e3030312e3135
  683: (5d) if r0 != r1 goto pc+566
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  684: (79) r0 = *(u64 *)(r4 +25)
  685: (18) r1 = 0x2f372e3030312e31
  687: (5d) if r0 != r1 goto pc+562
  688: (bf) r0 = r7
  689: (1f) r0 -= r0
  690: (63) *(u32 *)(r10 -44) = r0
  691: (05) goto pc+544
; bounds: would begin 28 bytes before [pattern 1]
> 692: (61) r7 = *(u32 *)(r10 -28)
  693: (07) r7 += -28
  694: (25) if r7 > 0xf000 goto pc+555
  695: (bf) r4 = r2
  696: (0f) r4 += r7
  697: (bf) r5 = r4
  698: (07) r5 += 33
  699: (2d) if r5 > r3 goto pc+550
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  700: (79) r0 = *(u64 *)(r4 +0)
  701: (18) r1 = 0x20656d617266693c
  703: (5d) if r0 != r1 goto pc+546
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  704: (79) r0 = *(u64 *)(r4 +8)
  705: (18) r1 = 0x747468223d637273
  707: (5d) if r0 != r1 goto pc+542
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  708: (79) r0 = *(u64 *)(r4 +16)
  709: (18) r1 = 0x2e3839312f2f3a70
  711: (5d) if r0 != r1 goto pc+538
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  712: (79) r0 = *(u64 *)(r4 +24)
  713: (18) r1 = 0x372e3030312e3135
  715: (5d) if r0 != r1 goto pc+534
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  716: (79) r0 = *(u64 *)(r4 +25)
  717: (18) r1 = 0x2f372e3030312e31
  719: (5d) if r0 != r1 goto pc+530
  720: (bf) r0 = r7
  721: (1f) r0 -= r0
  722: (63) *(u32 *)(r10 -44) = r0
  723: (05) goto pc+512
; bounds: would begin 11 bytes before [pattern 1]
> 724: (61) r7 = *(u32 *)(r10 -28)
  725: (07) r7 += -11
  726: (25) if r7 > 0xf000 goto pc+523
  727: (bf) r4 = r2
  728: (0f) r4 += r7
  729: (bf) r5 = r4
  730: (07) r5 += 33
  731: (2d) if r5 > r3 goto pc+518
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  732: (79) r0 = *(u64 *)(r4 +0)
  733: (18) r1 = 0x20656d617266693c
  735: (5d) if r0 != r1 goto pc+514
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  736: (79) r0 = *(u64 *)(r4 +8)
  737: (18) r1 = 0x747468223d637273
  739: (5d) if r0 != r1 goto pc+510
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  740: (79) r0 = *(u64 *)(r4 +16)
  741: (18) r1 = 0x2e3839312f2f3a70
  743: (5d) if r0 != r1 goto pc+506
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  744: (79) r0 = *(u64 *)(r4 +24)
  745: (18) r1 = 0x372e3030312e3135
  747: (5d) if r0 != r1 goto pc+502
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  748: (79) r0 = *(u64 *)(r4 +25)
  749: (18) r1 = 0x2f372e3030312e31
  751: (5d) if r0 != r1 goto pc+498
  752: (bf) r0 = r7
  753: (1f) r0 -= r0
  754: (63) *(u32 *)(r10 -44) = r0
  755: (05) goto pc+480
; bounds: would begin 21 bytes before [pattern 1]
> 756: (61) r7 = *(u32 *)(r10 -28)
  757: (07) r7 += -21
  758: (25) if r7 > 0xf000 goto pc+491
  759: (bf) r4 = r2
  760: (0f) r4 += r7
  761: (bf) r5 = r4
  762: (07) r5 += 33
  763: (2d) if r5 > r3 goto pc+486
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  764: (79) r0 = *(u64 *)(r4 +0)
  765: (18) r1 = 0x20656d617266693c
  767: (5d) if r0 != r1 goto pc+482
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  768: (79) r0 = *(u64 *)(r4 +8)
  769: (18) r1 = 0x747468223d637273
  771: (5d) if r0 != r1 goto pc+478
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  772: (79) r0 = *(u64 *)(r4 +16)
  773: (18) r1 = 0x2e3839312f2f3a70
  775: (5d) if r0 != r1 goto pc+474
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  776: (79) r0 = *(u64 *)(r4 +24)
  777: (18) r1 = 0x372e3030312e3135
  779: (5d) if r0 != r1 goto pc+470
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  780: (79) r0 = *(u64 *)(r4 +25)
  781: (18) r1 = 0x2f372e3030312e31
  783: (5d) if r0 != r1 goto pc+466
  784: (bf) r0 = r7
  785: (1f) r0 -= r0
  786: (63) *(u32 *)(r10 -44) = r0
  787: (05) goto pc+448
; bounds: would begin 12 bytes before [pattern 1]
> 788: (61) r7 = *(u32 *)(r10 -28)
  789: (07) r7 += -12
  790: (25) if r7 > 0xf000 goto pc+459
  791: (bf) r4 = r2
  792: (0f) r4 += r7
  793: (bf) r5 = r4
  794: (07) r5 += 33
  795: (2d) if r5 > r3 goto pc+454
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  796: (79) r0 = *(u64 *)(r4 +0)
  797: (18) r1 = 0x20656d617266693c
  799: (5d) if r0 != r1 goto pc+450
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  800: (79) r0 = *(u64 *)(r4 +8)
  801: (18) r1 = 0x747468223d637273
  803: (5d) if r0 != r1 goto pc+446
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  804: (79) r0 = *(u64 *)(r4 +16)
  805: (18) r1 = 0x2e3839312f2f3a70
  807: (5d) if r0 != r1 goto pc+442
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  808: (79) r0 = *(u64 *)(r4 +24)
  809: (18) r1 = 0x372e3030312e3135
  811: (5d) if r0 != r1 goto pc+438
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  812: (79) r0 = *(u64 *)(r4 +25)
  813: (18) r1 = 0x2f372e3030312e31
  815: (5d) if r0 != r1 goto pc+434
  816: (bf) r0 = r7
  817: (1f) r0 -= r0
  818: (63) *(u32 *)(r10 -44) = r0
  819: (05) goto pc+416
; bounds: would begin 4 bytes before [pattern 1]
> 820: (61) r7 = *(u32 *)(r10 -28)
  821: (07) r7 += -4
  822: (25) if r7 > 0xf000 goto pc+427
  823: (bf) r4 = r2
  824: (0f) r4 += r7
  825: (bf) r5 = r4
  826: (07) r5 += 33
  827: (2d) if r5 > r3 goto pc+422
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  828: (79) r0 = *(u64 *)(r4 +0)
  829: (18) r1 = 0x20656d617266693c
  831: (5d) if r0 != r1 goto pc+418
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  832: (79) r0 = *(u64 *)(r4 +8)
  833: (18) r1 = 0x747468223d637273
  835: (5d) if r0 != r1 goto pc+414
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  836: (79) r0 = *(u64 *)(r4 +16)
  837: (18) r1 = 0x2e3839312f2f3a70
  839: (5d) if r0 != r1 goto pc+410
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  840: (79) r0 = *(u64 *)(r4 +24)
  841: (18) r1 = 0x372e3030312e3135
  843: (5d) if r0 != r1 goto pc+406
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  844: (79) r0 = *(u64 *)(r4 +25)
  845: (18) r1 = 0x2f372e3030312e31
  847: (5d) if r0 != r1 goto pc+402
  848: (bf) r0 = r7
  849: (1f) r0 -= r0
  850: (63) *(u32 *)(r10 -44) = r0
  851: (05) goto pc+384
; bounds: would begin 17 bytes before [pattern 1]
> 852: (61) r7 = *(u32 *)(r10 -28)
  853: (07) r7 += -17
  854: (25) if r7 > 0xf000 goto pc+395
  855: (bf) r4 = r2
  856: (0f) r4 += r7
  857: (bf) r5 = r4
  858: (07) r5 += 33
  859: (2d) if r5 > r3 goto pc+390
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  860: (79) r0 = *(u64 *)(r4 +0)
  861: (18) r1 = 0x20656d617266693c
  863: (5d) if r0 != r1 goto pc+386
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  864: (79) r0 = *(u64 *)(r4 +8)
  865: (18) r1 = 0x747468223d637273
  867: (5d) if r0 != r1 goto pc+382
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  868: (79) r0 = *(u64 *)(r4 +16)
  869: (18) r1 = 0x2e3839312f2f3a70
  871: (5d) if r0 != r1 goto pc+378
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  872: (79) r0 = *(u64 *)(r4 +24)
  873: (18) r1 = 0x372e3030312e3135
  875: (5d) if r0 != r1 goto pc+374
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  876: (79) r0 = *(u64 *)(r4 +25)
  877: (18) r1 = 0x2f372e3030312e31
  879: (5d) if r0 != r1 goto pc+370
  880: (bf) r0 = r7
  881: (1f) r0 -= r0
  882: (63) *(u32 *)(r10 -44) = r0
  883: (05) goto pc+352
; bounds: would begin 23 bytes before [pattern 1]
> 884: (61) r7 = *(u32 *)(r10 -28)
  885: (07) r7 += -23
  886: (25) if r7 > 0xf000 goto pc+363
  887: (bf) r4 = r2
  888: (0f) r4 += r7
  889: (bf) r5 = r4
  890: (07) r5 += 33
  891: (2d) if r5 > r3 goto pc+358
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  892: (79) r0 = *(u64 *)(r4 +0)
  893: (18) r1 = 0x20656d617266693c
  895: (5d) if r0 != r1 goto pc+354
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  896: (79) r0 = *(u64 *)(r4 +8)
  897: (18) r1 = 0x747468223d637273
  899: (5d) if r0 != r1 goto pc+350
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  900: (79) r0 = *(u64 *)(r4 +16)
  901: (18) r1 = 0x2e3839312f2f3a70
  903: (5d) if r0 != r1 goto pc+346
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  904: (79) r0 = *(u64 *)(r4 +24)
  905: (18) r1 = 0x372e3030312e3135
  907: (5d) if r0 != r1 goto pc+342
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  908: (79) r0 = *(u64 *)(r4 +25)
  909: (18) r1 = 0x2f372e3030312e31
  911: (5d) if r0 != r1 goto pc+338
  912: (bf) r0 = r7
  913: (1f) r0 -= r0
  914: (63) *(u32 *)(r10 -44) = r0
  915: (05) goto pc+320
; bounds: would begin 22 bytes before [pattern 1]
> 916: (61) r7 = *(u32 *)(r10 -28)
  917: (07) r7 += -22
  918: (25) if r7 > 0xf000 goto pc+331
  919: (bf) r4 = r2
  920: (0f) r4 += r7
  921: (bf) r5 = r4
  922: (07) r5 += 33
  923: (2d) if r5 > r3 goto pc+326
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  924: (79) r0 = *(u64 *)(r4 +0)
  925: (18) r1 = 0x20656d617266693c
  927: (5d) if r0 != r1 goto pc+322
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  928: (79) r0 = *(u64 *)(r4 +8)
  929: (18) r1 = 0x747468223d637273
  931: (5d) if r0 != r1 goto pc+318
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  932: (79) r0 = *(u64 *)(r4 +16)
  933: (18) r1 = 0x2e3839312f2f3a70
  935: (5d) if r0 != r1 goto pc+314
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  936: (79) r0 = *(u64 *)(r4 +24)
  937: (18) r1 = 0x372e3030312e3135
  939: (5d) if r0 != r1 goto pc+310
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  940: (79) r0 = *(u64 *)(r4 +25)
  941: (18) r1 = 0x2f372e3030312e31
  943: (5d) if r0 != r1 goto pc+306
  944: (bf) r0 = r7
  945: (1f) r0 -= r0
  946: (63) *(u32 *)(r10 -44) = r0
  947: (05) goto pc+288
; bounds: would begin 1 bytes before [pattern 1]
> 948: (61) r7 = *(u32 *)(r10 -28)
  949: (07) r7 += -1
  950: (25) if r7 > 0xf000 goto pc+299
  951: (bf) r4 = r2
  952: (0f) r4 += r7
  953: (bf) r5 = r4
  954: (07) r5 += 33
  955: (2d) if r5 > r3 goto pc+294
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  956: (79) r0 = *(u64 *)(r4 +0)
  957: (18) r1 = 0x20656d617266693c
  959: (5d) if r0 != r1 goto pc+290
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  960: (79) r0 = *(u64 *)(r4 +8)
  961: (18) r1 = 0x747468223d637273
  963: (5d) if r0 != r1 goto pc+286
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  964: (79) r0 = *(u64 *)(r4 +16)
  965: (18) r1 = 0x2e3839312f2f3a70
  967: (5d) if r0 != r1 goto pc+282
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
  968: (79) r0 = *(u64 *)(r4 +24)
  969: (18) r1 = 0x372e3030312e3135
  971: (5d) if r0 != r1 goto pc+278
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
  972: (79) r0 = *(u64 *)(r4 +25)
  973: (18) r1 = 0x2f372e3030312e31
  975: (5d) if r0 != r1 goto pc+274
  976: (bf) r0 = r7
  977: (1f) r0 -= r0
  978: (63) *(u32 *)(r10 -44) = r0
  979: (05) goto pc+256
; bounds: would begin 27 bytes before [pattern 1]
> 980: (61) r7 = *(u32 *)(r10 -28)
  981: (07) r7 += -27
  982: (25) if r7 > 0xf000 goto pc+267
  983: (bf) r4 = r2
  984: (0f) r4 += r7
  985: (bf) r5 = r4
  986: (07) r5 += 33
  987: (2d) if r5 > r3 goto pc+262
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
  988: (79) r0 = *(u64 *)(r4 +0)
  989: (18) r1 = 0x20656d617266693c
  991: (5d) if r0 != r1 goto pc+258
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
  992: (79) r0 = *(u64 *)(r4 +8)
  993: (18) r1 = 0x747468223d637273
  995: (5d) if r0 != r1 goto pc+254
; confirm: match "p://198." at +16 [pattern 1, byte 16]
  996: (79) r0 = *(u64 *)(r4 +16)
  997: (18) r1 = 0x2e3839312f2f3a70
  999: (5d) if r0 != r1 goto pc+250
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1000: (79) r0 = *(u64 *)(r4 +24)
 1001: (18) r1 = 0x372e3030312e3135
 1003: (5d) if r0 != r1 goto pc+246
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1004: (79) r0 = *(u64 *)(r4 +25)
 1005: (18) r1 = 0x2f372e3030312e31
 1007: (5d) if r0 != r1 goto pc+242
 1008: (bf) r0 = r7
 1009: (1f) r0 -= r0
 1010: (63) *(u32 *)(r10 -44) = r0
 1011: (05) goto pc+224
; bounds: would begin 5 bytes before [pattern 1]
>1012: (61) r7 = *(u32 *)(r10 -28)
 1013: (07) r7 += -5
 1014: (25) if r7 > 0xf000 goto pc+235
 1015: (bf) r4 = r2
 1016: (0f) r4 += r7
 1017: (bf) r5 = r4
 1018: (07) r5 += 33
 1019: (2d) if r5 > r3 goto pc+230
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1020: (79) r0 = *(u64 *)(r4 +0)
 1021: (18) r1 = 0x20656d617266693c
 1023: (5d) if r0 != r1 goto pc+226
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1024: (79) r0 = *(u64 *)(r4 +8)
 1025: (18) r1 = 0x747468223d637273
 1027: (5d) if r0 != r1 goto pc+222
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1028: (79) r0 = *(u64 *)(r4 +16)
 1029: (18) r1 = 0x2e3839312f2f3a70
 1031: (5d) if r0 != r1 goto pc+218
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1032: (79) r0 = *(u64 *)(r4 +24)
 1033: (18) r1 = 0x372e3030312e3135
 1035: (5d) if r0 != r1 goto pc+214
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1036: (79) r0 = *(u64 *)(r4 +25)
 1037: (18) r1 = 0x2f372e3030312e31
 1039: (5d) if r0 != r1 goto pc+210
 1040: (bf) r0 = r7
 1041: (1f) r0 -= r0
 1042: (63) *(u32 *)(r10 -44) = r0
 1043: (05) goto pc+192
; bounds: would begin 18 bytes before [pattern 1]
>1044: (61) r7 = *(u32 *)(r10 -28)
 1045: (07) r7 += -18
 1046: (25) if r7 > 0xf000 goto pc+203
 1047: (bf) r4 = r2
 1048: (0f) r4 += r7
 1049: (bf) r5 = r4
 1050: (07) r5 += 33
 1051: (2d) if r5 > r3 goto pc+198
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1052: (79) r0 = *(u64 *)(r4 +0)
 1053: (18) r1 = 0x20656d617266693c
 1055: (5d) if r0 != r1 goto pc+194
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1056: (79) r0 = *(u64 *)(r4 +8)
 1057: (18) r1 = 0x747468223d637273
 1059: (5d) if r0 != r1 goto pc+190
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1060: (79) r0 = *(u64 *)(r4 +16)
 1061: (18) r1 = 0x2e3839312f2f3a70
 1063: (5d) if r0 != r1 goto pc+186
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1064: (79) r0 = *(u64 *)(r4 +24)
 1065: (18) r1 = 0x372e3030312e3135
 1067: (5d) if r0 != r1 goto pc+182
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1068: (79) r0 = *(u64 *)(r4 +25)
 1069: (18) r1 = 0x2f372e3030312e31
 1071: (5d) if r0 != r1 goto pc+178
 1072: (bf) r0 = r7
 1073: (1f) r0 -= r0
 1074: (63) *(u32 *)(r10 -44) = r0
 1075: (05) goto pc+160
; bounds: would begin 7 bytes before [pattern 1]
>1076: (61) r7 = *(u32 *)(r10 -28)
 1077: (07) r7 += -7
 1078: (25) if r7 > 0xf000 goto pc+171
 1079: (bf) r4 = r2
 1080: (0f) r4 += r7
 1081: (bf) r5 = r4
 1082: (07) r5 += 33
 1083: (2d) if r5 > r3 goto pc+166
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1084: (79) r0 = *(u64 *)(r4 +0)
 1085: (18) r1 = 0x20656d617266693c
 1087: (5d) if r0 != r1 goto pc+162
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1088: (79) r0 = *(u64 *)(r4 +8)
 1089: (18) r1 = 0x747468223d637273
 1091: (5d) if r0 != r1 goto pc+158
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1092: (79) r0 = *(u64 *)(r4 +16)
 1093: (18) r1 = 0x2e3839312f2f3a70
 1095: (5d) if r0 != r1 goto pc+154
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1096: (79) r0 = *(u64 *)(r4 +24)
 1097: (18) r1 = 0x372e3030312e3135
 1099: (5d) if r0 != r1 goto pc+150
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1100: (79) r0 = *(u64 *)(r4 +25)
 1101: (18) r1 = 0x2f372e3030312e31
 1103: (5d) if r0 != r1 goto pc+146
 1104: (bf) r0 = r7
 1105: (1f) r0 -= r0
 1106: (63) *(u32 *)(r10 -44) = r0
 1107: (05) goto pc+128
; bounds: would begin 10 bytes before [pattern 1]
>1108: (61) r7 = *(u32 *)(r10 -28)
 1109: (07) r7 += -10
 1110: (25) if r7 > 0xf000 goto pc+139
 1111: (bf) r4 = r2
 1112: (0f) r4 += r7
 1113: (bf) r5 = r4
 1114: (07) r5 += 33
 1115: (2d) if r5 > r3 goto pc+134
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1116: (79) r0 = *(u64 *)(r4 +0)
 1117: (18) r1 = 0x20656d617266693c
 1119: (5d) if r0 != r1 goto pc+130
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1120: (79) r0 = *(u64 *)(r4 +8)
 1121: (18) r1 = 0x747468223d637273
 1123: (5d) if r0 != r1 goto pc+126
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1124: (79) r0 = *(u64 *)(r4 +16)
 1125: (18) r1 = 0x2e3839312f2f3a70
 1127: (5d) if r0 != r1 goto pc+122
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1128: (79) r0 = *(u64 *)(r4 +24)
 1129: (18) r1 = 0x372e3030312e3135
 1131: (5d) if r0 != r1 goto pc+118
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1132: (79) r0 = *(u64 *)(r4 +25)
 1133: (18) r1 = 0x2f372e3030312e31
 1135: (5d) if r0 != r1 goto pc+114
 1136: (bf) r0 = r7
 1137: (1f) r0 -= r0
 1138: (63) *(u32 *)(r10 -44) = r0
 1139: (05) goto pc+96
; bounds: would begin 8 bytes before [pattern 1]
>1140: (61) r7 = *(u32 *)(r10 -28)
 1141: (07) r7 += -8
 1142: (25) if r7 > 0xf000 goto pc+107
 1143: (bf) r4 = r2
 1144: (0f) r4 += r7
 1145: (bf) r5 = r4
 1146: (07) r5 += 33
 1147: (2d) if r5 > r3 goto pc+102
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1148: (79) r0 = *(u64 *)(r4 +0)
 1149: (18) r1 = 0x20656d617266693c
 1151: (5d) if r0 != r1 goto pc+98
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1152: (79) r0 = *(u64 *)(r4 +8)
 1153: (18) r1 = 0x747468223d637273
 1155: (5d) if r0 != r1 goto pc+94
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1156: (79) r0 = *(u64 *)(r4 +16)
 1157: (18) r1 = 0x2e3839312f2f3a70
 1159: (5d) if r0 != r1 goto pc+90
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1160: (79) r0 = *(u64 *)(r4 +24)
 1161: (18) r1 = 0x372e3030312e3135
 1163: (5d) if r0 != r1 goto pc+86
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1164: (79) r0 = *(u64 *)(r4 +25)
 1165: (18) r1 = 0x2f372e3030312e31
 1167: (5d) if r0 != r1 goto pc+82
 1168: (bf) r0 = r7
 1169: (1f) r0 -= r0
 1170: (63) *(u32 *)(r10 -44) = r0
 1171: (05) goto pc+64
; bounds: would begin 14 bytes before [pattern 1]
>1172: (61) r7 = *(u32 *)(r10 -28)
 1173: (07) r7 += -14
 1174: (25) if r7 > 0xf000 goto pc+75
 1175: (bf) r4 = r2
 1176: (0f) r4 += r7
 1177: (bf) r5 = r4
 1178: (07) r5 += 33
 1179: (2d) if r5 > r3 goto pc+70
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1180: (79) r0 = *(u64 *)(r4 +0)
 1181: (18) r1 = 0x20656d617266693c
 1183: (5d) if r0 != r1 goto pc+66
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1184: (79) r0 = *(u64 *)(r4 +8)
 1185: (18) r1 = 0x747468223d637273
 1187: (5d) if r0 != r1 goto pc+62
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1188: (79) r0 = *(u64 *)(r4 +16)
 1189: (18) r1 = 0x2e3839312f2f3a70
 1191: (5d) if r0 != r1 goto pc+58
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1192: (79) r0 = *(u64 *)(r4 +24)
 1193: (18) r1 = 0x372e3030312e3135
 1195: (5d) if r0 != r1 goto pc+54
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1196: (79) r0 = *(u64 *)(r4 +25)
 1197: (18) r1 = 0x2f372e3030312e31
 1199: (5d) if r0 != r1 goto pc+50
 1200: (bf) r0 = r7
 1201: (1f) r0 -= r0
 1202: (63) *(u32 *)(r10 -44) = r0
 1203: (05) goto pc+32
; bounds: would begin 6 bytes before [pattern 1]
>1204: (61) r7 = *(u32 *)(r10 -28)
 1205: (07) r7 += -6
 1206: (25) if r7 > 0xf000 goto pc+43
 1207: (bf) r4 = r2
 1208: (0f) r4 += r7
 1209: (bf) r5 = r4
 1210: (07) r5 += 33
 1211: (2d) if r5 > r3 goto pc+38
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1212: (79) r0 = *(u64 *)(r4 +0)
 1213: (18) r1 = 0x20656d617266693c
 1215: (5d) if r0 != r1 goto pc+34
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1216: (79) r0 = *(u64 *)(r4 +8)
 1217: (18) r1 = 0x747468223d637273
 1219: (5d) if r0 != r1 goto pc+30
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1220: (79) r0 = *(u64 *)(r4 +16)
 1221: (18) r1 = 0x2e3839312f2f3a70
 1223: (5d) if r0 != r1 goto pc+26
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1224: (79) r0 = *(u64 *)(r4 +24)
 1225: (18) r1 = 0x372e3030312e3135
 1227: (5d) if r0 != r1 goto pc+22
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1228: (79) r0 = *(u64 *)(r4 +25)
 1229: (18) r1 = 0x2f372e3030312e31
 1231: (5d) if r0 != r1 goto pc+18
 1232: (bf) r0 = r7
 1233: (1f) r0 -= r0
 1234: (63) *(u32 *)(r10 -44) = r0
 1235: (05) goto pc+0
; bounds: 33 bytes, inside the scope and the window
>1236: (bf) r1 = r7
 1237: (07) r1 += 33
 1238: (61) r0 = *(u32 *)(r10 -32)
 1239: (2d) if r1 > r0 goto pc+10
 1240: (bf) r1 = r7
 1241: (61) r0 = *(u32 *)(r10 -4)
 1242: (ad) if r1 < r0 goto pc+7
 1243: (1f) r1 -= r0
; report: found
 1244: (bf) r2 = r1
 1245: (07) r2 += 33
 1246: (61) r1 = *(u32 *)(r10 -44)
 1247: (79) r3 = *(u64 *)(r10 -56)
 1248: (85) call pc+1150
 1249: (05) goto pc+1122
; scan: go on behind the look
>1250: (07) r8 += 29
 1251: (bf) r0 = r8
 1252: (07) r0 += 207
 1253: (61) r7 = *(u32 *)(r10 -32)
 1254: (2d) if r0 > r7 goto pc-1052
 1255: (07) r7 += -207
 1256: (63) *(u32 *)(r10 -28) = r7
 1257: (61) r7 = *(u32 *)(r10 -28)
 1258: (05) goto pc-1141
; scan: the linear part is done; was that all?
>1259: (61) r0 = *(u32 *)(r10 -12)
 1260: (61) r1 = *(u32 *)(r10 -32)
 1261: (2d) if r0 > r1 goto pc+1
 1262: (05) goto pc+1104
; scan: the rest of the frame
>1263: (61) r1 = *(u32 *)(r10 -32)
 1264: (07) r1 += -32
 1265: (61) r0 = *(u32 *)(r10 -4)
 1266: (7d) if r1 s>= r0 goto pc+1
 1267: (bf) r1 = r0
>1268: (63) *(u32 *)(r10 -64) = r1
; entry: scratch memory of this CPU
 1269: (62) *(u32 *)(r10 -44) = 0
 1270: (bf) r2 = r10
 1271: (07) r2 += -44
 1272: (18) r1 = map[scratch]
 1274: (85) call bpf_map_lookup_elem#1
 1275: (15) if r0 == 0x0 goto pc+1089
 1276: (7b) *(u64 *)(r10 -72) = r0
 1277: (62) *(u32 *)(r10 -48) = 1
 1278: (62) *(u32 *)(r10 -44) = 1
; scan: next window
>1279: (b7) r0 = 0
 1280: (b7) r1 = 0
 1281: (b7) r2 = 0
 1282: (b7) r3 = 0
 1283: (b7) r4 = 0
 1284: (b7) r5 = 0
 1285: (b7) r6 = 0
 1286: (b7) r7 = 0
 1287: (b7) r8 = 0
 1288: (b7) r9 = 0
 1289: (e5) may_goto pc+1075
 1290: (61) r8 = *(u32 *)(r10 -64)
 1291: (61) r4 = *(u32 *)(r10 -12)
 1292: (1f) r4 -= r8
 1293: (c5) if r4 s< 0x21 goto pc+1073
 1294: (25) if r8 > 0xffff goto pc+1070
 1295: (b5) if r4 <= 0x1020 goto pc+1
 1296: (b7) r4 = 4128
>1297: (63) *(u32 *)(r10 -60) = r4
 1298: (79) r1 = *(u64 *)(r10 -40)
 1299: (bf) r2 = r8
 1300: (79) r3 = *(u64 *)(r10 -72)
 1301: (85) call bpf_xdp_load_bytes#189
 1302: (55) if r0 != 0x0 goto pc+1062
 1303: (61) r8 = *(u32 *)(r10 -20)
 1304: (61) r0 = *(u32 *)(r10 -20)
 1305: (1f) r8 -= r0
 1306: (79) r2 = *(u64 *)(r10 -72)
 1307: (bf) r0 = r8
 1308: (07) r0 += 207
 1309: (61) r7 = *(u32 *)(r10 -60)
 1310: (2d) if r0 > r7 goto pc+85
 1311: (07) r7 += -207
 1312: (63) *(u32 *)(r10 -28) = r7
 1313: (61) r7 = *(u32 *)(r10 -28)
; scan: blocks of 8 looks, 29 bytes apart
>1314: (b7) r0 = 0
 1315: (b7) r1 = 0
 1316: (b7) r4 = 0
 1317: (b7) r5 = 0
 1318: (b7) r6 = 0
 1319: (e5) may_goto pc+1045
 1320: (2d) if r8 > r7 goto pc+61
 1321: (25) if r8 > 0x1059 goto pc+1043
 1322: (bf) r6 = r2
 1323: (0f) r6 += r8
 1324: (61) r0 = *(u32 *)(r6 +0)
 1325: (24) w0 *= 1053855065
 1326: (74) w0 >>= 24
 1327: (0f) r0 += r10
 1328: (71) r0 = *(u8 *)(r0 -408)
 1329: (91) r1 = *(s8 *)(r6 +3)
 1330: (1d) if r0 == r1 goto pc+88
 1331: (61) r0 = *(u32 *)(r6 +29)
 1332: (24) w0 *= 1053855065
 1333: (74) w0 >>= 24
 1334: (0f) r0 += r10
 1335: (71) r0 = *(u8 *)(r0 -408)
 1336: (91) r1 = *(s8 *)(r6 +32)
 1337: (1d) if r0 == r1 goto pc+82
 1338: (61) r0 = *(u32 *)(r6 +58)
 1339: (24) w0 *= 1053855065
 1340: (74) w0 >>= 24
 1341: (0f) r0 += r10
 1342: (71) r0 = *(u8 *)(r0 -408)
 1343: (91) r1 = *(s8 *)(r6 +61)
 1344: (1d) if r0 == r1 goto pc+77
 1345: (61) r0 = *(u32 *)(r6 +87)
 1346: (24) w0 *= 1053855065
 1347: (74) w0 >>= 24
 1348: (0f) r0 += r10
 1349: (71) r0 = *(u8 *)(r0 -408)
 1350: (91) r1 = *(s8 *)(r6 +90)
 1351: (1d) if r0 == r1 goto pc+72
 1352: (61) r0 = *(u32 *)(r6 +116)
 1353: (24) w0 *= 1053855065
 1354: (74) w0 >>= 24
 1355: (0f) r0 += r10
 1356: (71) r0 = *(u8 *)(r0 -408)
 1357: (91) r1 = *(s8 *)(r6 +119)
 1358: (1d) if r0 == r1 goto pc+67
 1359: (61) r0 = *(u32 *)(r6 +145)
 1360: (24) w0 *= 1053855065
 1361: (74) w0 >>= 24
 1362: (0f) r0 += r10
 1363: (71) r0 = *(u8 *)(r0 -408)
 1364: (91) r1 = *(s8 *)(r6 +148)
 1365: (1d) if r0 == r1 goto pc+62
 1366: (61) r0 = *(u32 *)(r6 +174)
 1367: (24) w0 *= 1053855065
 1368: (74) w0 >>= 24
 1369: (0f) r0 += r10
 1370: (71) r0 = *(u8 *)(r0 -408)
 1371: (91) r1 = *(s8 *)(r6 +177)
 1372: (1d) if r0 == r1 goto pc+57
 1373: (61) r0 = *(u32 *)(r6 +203)
 1374: (24) w0 *= 1053855065
 1375: (74) w0 >>= 24
 1376: (0f) r0 += r10
 1377: (71) r0 = *(u8 *)(r0 -408)
 1378: (91) r1 = *(s8 *)(r6 +206)
 1379: (1d) if r0 == r1 goto pc+52
 1380: (07) r8 += 232
 1381: (05) goto pc-68
; scan: the last block, moved back by a multiple of the stride
>1382: (bf) r0 = r8
 1383: (07) r0 += 4
 1384: (61) r1 = *(u32 *)(r10 -60)
 1385: (2d) if r0 > r1 goto pc+975
 1386: (bf) r0 = r8
 1387: (1f) r0 -= r7
 1388: (07) r0 += 28
 1389: (27) r0 *= 2260
 1390: (77) r0 >>= 16
 1391: (27) r0 *= 29
 1392: (1f) r8 -= r0
 1393: (63) *(u32 *)(r10 -28) = r8
 1394: (61) r8 = *(u32 *)(r10 -28)
 1395: (05) goto pc-82
; scan: look by look
>1396: (b7) r0 = 0
 1397: (b7) r1 = 0
 1398: (b7) r4 = 0
 1399: (b7) r5 = 0
 1400: (b7) r6 = 0
 1401: (b7) r7 = 0
 1402: (e5) may_goto pc+962
 1403: (bf) r0 = r8
 1404: (07) r0 += 4
 1405: (61) r1 = *(u32 *)(r10 -60)
 1406: (2d) if r0 > r1 goto pc+954
 1407: (25) if r8 > 0x1124 goto pc+957
 1408: (bf) r6 = r2
 1409: (0f) r6 += r8
 1410: (61) r0 = *(u32 *)(r6 +0)
 1411: (24) w0 *= 1053855065
 1412: (74) w0 >>= 24
 1413: (0f) r0 += r10
 1414: (71) r0 = *(u8 *)(r0 -408)
 1415: (91) r1 = *(s8 *)(r6 +3)
 1416: (1d) if r0 == r1 goto pc+17
 1417: (07) r8 += 29
 1418: (05) goto pc-23
; scan: one of the looks
>1419: (05) goto pc+14
>1420: (07) r8 += 29
 1421: (05) goto pc+12
>1422: (07) r8 += 58
 1423: (05) goto pc+10
>1424: (07) r8 += 87
 1425: (05) goto pc+8
>1426: (07) r8 += 116
 1427: (05) goto pc+6
>1428: (07) r8 += 145
 1429: (05) goto pc+4
>1430: (07) r8 += 174
 1431: (05) goto pc+2
>1432: (07) r8 += 203
 1433: (05) goto pc+0
>1434: (63) *(u32 *)(r10 -28) = r8
 1435: (61) r8 = *(u32 *)(r10 -28)
 1436: (25) if r8 > 0x1124 goto pc+928
 1437: (bf) r6 = r2
 1438: (0f) r6 += r8
 1439: (61) r0 = *(u32 *)(r6 +0)
 1440: (24) w0 *= 1053855065
 1441: (74) w0 >>= 24
; scan: tree of slots
 1442: (36) if w0 >= 0x6e goto pc+25
 1443: (36) if w0 >= 0x59 goto pc+12
 1444: (36) if w0 >= 0x1f goto pc+4
 1445: (16) if w0 == 0x1 goto pc+50
 1446: (16) if w0 == 0x5 goto pc+78
 1447: (16) if w0 == 0x11 goto pc+106
 1448: (05) goto pc+903
>1449: (36) if w0 >= 0x3d goto pc+3
 1450: (16) if w0 == 0x1f goto pc+132
 1451: (16) if w0 == 0x36 goto pc+160
 1452: (05) goto pc+899
>1453: (16) if w0 == 0x3d goto pc+186
 1454: (16) if w0 == 0x4a goto pc+214
 1455: (05) goto pc+896
>1456: (36) if w0 >= 0x64 goto pc+4
 1457: (16) if w0 == 0x59 goto pc+240
 1458: (16) if w0 == 0x5b goto pc+268
 1459: (16) if w0 == 0x5e goto pc+296
 1460: (05) goto pc+891
>1461: (36) if w0 >= 0x66 goto pc+3
 1462: (16) if w0 == 0x64 goto pc+322
 1463: (16) if w0 == 0x65 goto pc+350
 1464: (05) goto pc+887
>1465: (16) if w0 == 0x66 goto pc+377
 1466: (16) if w0 == 0x6a goto pc+405
 1467: (05) goto pc+884
>1468: (36) if w0 >= 0x9f goto pc+12
 1469: (36) if w0 >= 0x81 goto pc+4
 1470: (16) if w0 == 0x6e goto pc+430
 1471: (16) if w0 == 0x71 goto pc+458
 1472: (16) if w0 == 0x7d goto pc+486
 1473: (05) goto pc+878
>1474: (36) if w0 >= 0x83 goto pc+3
 1475: (16) if w0 == 0x81 goto pc+512
 1476: (16) if w0 == 0x82 goto pc+540
 1477: (05) goto pc+874
>1478: (16) if w0 == 0x83 goto pc+567
 1479: (16) if w0 == 0x86 goto pc+595
 1480: (05) goto pc+871
>1481: (36) if w0 >= 0xea goto pc+7
 1482: (36) if w0 >= 0xb1 goto pc+3
 1483: (16) if w0 == 0x9f goto pc+620
 1484: (16) if w0 == 0xac goto pc+648
 1485: (05) goto pc+866
>1486: (16) if w0 == 0xb1 goto pc+675
 1487: (16) if w0 == 0xe6 goto pc+703
 1488: (05) goto pc+863
>1489: (36) if w0 >= 0xf7 goto pc+3
 1490: (16) if w0 == 0xea goto pc+729
 1491: (16) if w0 == 0xf5 goto pc+757
 1492: (05) goto pc+859
>1493: (16) if w0 == 0xf7 goto pc+784
 1494: (16) if w0 == 0xfa goto pc+812
 1495: (05) goto pc+856
; bounds: would begin 13 bytes before [pattern 1]
>1496: (61) r7 = *(u32 *)(r10 -28)
 1497: (07) r7 += -13
 1498: (25) if r7 > 0x1107 goto pc+853
 1499: (bf) r4 = r2
 1500: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1501: (79) r0 = *(u64 *)(r4 +0)
 1502: (18) r1 = 0x20656d617266693c
 1504: (5d) if r0 != r1 goto pc+847
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1505: (79) r0 = *(u64 *)(r4 +8)
 1506: (18) r1 = 0x747468223d637273
 1508: (5d) if r0 != r1 goto pc+843
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1509: (79) r0 = *(u64 *)(r4 +16)
 1510: (18) r1 = 0x2e3839312f2f3a70
 1512: (5d) if r0 != r1 goto pc+839
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1513: (79) r0 = *(u64 *)(r4 +24)
 1514: (18) r1 = 0x372e3030312e3135
 1516: (5d) if r0 != r1 goto pc+835
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1517: (79) r0 = *(u64 *)(r4 +25)
 1518: (18) r1 = 0x2f372e3030312e31
 1520: (5d) if r0 != r1 goto pc+831
 1521: (bf) r0 = r7
 1522: (1f) r0 -= r0
 1523: (63) *(u32 *)(r10 -44) = r0
 1524: (05) goto pc+811
; bounds: would begin 16 bytes before [pattern 1]
>1525: (61) r7 = *(u32 *)(r10 -28)
 1526: (07) r7 += -16
 1527: (25) if r7 > 0x1107 goto pc+824
 1528: (bf) r4 = r2
 1529: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1530: (79) r0 = *(u64 *)(r4 +0)
 1531: (18) r1 = 0x20656d617266693c
 1533: (5d) if r0 != r1 goto pc+818
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1534: (79) r0 = *(u64 *)(r4 +8)
 1535: (18) r1 = 0x747468223d637273
 1537: (5d) if r0 != r1 goto pc+814
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1538: (79) r0 = *(u64 *)(r4 +16)
 1539: (18) r1 = 0x2e3839312f2f3a70
 1541: (5d) if r0 != r1 goto pc+810
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1542: (79) r0 = *(u64 *)(r4 +24)
 1543: (18) r1 = 0x372e3030312e3135
 1545: (5d) if r0 != r1 goto pc+806
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1546: (79) r0 = *(u64 *)(r4 +25)
 1547: (18) r1 = 0x2f372e3030312e31
 1549: (5d) if r0 != r1 goto pc+802
 1550: (bf) r0 = r7
 1551: (1f) r0 -= r0
 1552: (63) *(u32 *)(r10 -44) = r0
 1553: (05) goto pc+782
; bounds: would begin 15 bytes before [pattern 1]
>1554: (61) r7 = *(u32 *)(r10 -28)
 1555: (07) r7 += -15
 1556: (25) if r7 > 0x1107 goto pc+795
 1557: (bf) r4 = r2
 1558: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1559: (79) r0 = *(u64 *)(r4 +0)
 1560: (18) r1 = 0x20656d617266693c
 1562: (5d) if r0 != r1 goto pc+789
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1563: (79) r0 = *(u64 *)(r4 +8)
 1564: (18) r1 = 0x747468223d637273
 1566: (5d) if r0 != r1 goto pc+785
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1567: (79) r0 = *(u64 *)(r4 +16)
 1568: (18) r1 = 0x2e3839312f2f3a70
 1570: (5d) if r0 != r1 goto pc+781
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1571: (79) r0 = *(u64 *)(r4 +24)
 1572: (18) r1 = 0x372e3030312e3135
 1574: (5d) if r0 != r1 goto pc+777
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1575: (79) r0 = *(u64 *)(r4 +25)
 1576: (18) r1 = 0x2f372e3030312e31
 1578: (5d) if r0 != r1 goto pc+773
 1579: (bf) r0 = r7
 1580: (1f) r0 -= r0
 1581: (63) *(u32 *)(r10 -44) = r0
 1582: (05) goto pc+753
; bounds: would begin 9 bytes before [pattern 1]
>1583: (61) r7 = *(u32 *)(r10 -28)
 1584: (07) r7 += -9
 1585: (25) if r7 > 0x1107 goto pc+766
 1586: (bf) r4 = r2
 1587: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1588: (79) r0 = *(u64 *)(r4 +0)
 1589: (18) r1 = 0x20656d617266693c
 1591: (5d) if r0 != r1 goto pc+760
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1592: (79) r0 = *(u64 *)(r4 +8)
 1593: (18) r1 = 0x747468223d637273
 1595: (5d) if r0 != r1 goto pc+756
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1596: (79) r0 = *(u64 *)(r4 +16)
 1597: (18) r1 = 0x2e3839312f2f3a70
 1599: (5d) if r0 != r1 goto pc+752
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1600: (79) r0 = *(u64 *)(r4 +24)
 1601: (18) r1 = 0x372e3030312e3135
 1603: (5d) if r0 != r1 goto pc+748
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1604: (79) r0 = *(u64 *)(r4 +25)
 1605: (18) r1 = 0x2f372e3030312e31
 1607: (5d) if r0 != r1 goto pc+744
 1608: (bf) r0 = r7
 1609: (1f) r0 -= r0
 1610: (63) *(u32 *)(r10 -44) = r0
 1611: (05) goto pc+724
; bounds: would begin 0 bytes before [pattern 1]
>1612: (61) r7 = *(u32 *)(r10 -28)
 1613: (25) if r7 > 0x1107 goto pc+738
 1614: (bf) r4 = r2
 1615: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1616: (79) r0 = *(u64 *)(r4 +0)
 1617: (18) r1 = 0x20656d617266693c
 1619: (5d) if r0 != r1 goto pc+732
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1620: (79) r0 = *(u64 *)(r4 +8)
 1621: (18) r1 = 0x747468223d637273
 1623: (5d) if r0 != r1 goto pc+728
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1624: (79) r0 = *(u64 *)(r4 +16)
 1625: (18) r1 = 0x2e3839312f2f3a70
 1627: (5d) if r0 != r1 goto pc+724
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1628: (79) r0 = *(u64 *)(r4 +24)
 1629: (18) r1 = 0x372e3030312e3135
 1631: (5d) if r0 != r1 goto pc+720
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1632: (79) r0 = *(u64 *)(r4 +25)
 1633: (18) r1 = 0x2f372e3030312e31
 1635: (5d) if r0 != r1 goto pc+716
 1636: (bf) r0 = r7
 1637: (1f) r0 -= r0
 1638: (63) *(u32 *)(r10 -44) = r0
 1639: (05) goto pc+696
; bounds: would begin 25 bytes before [pattern 1]
>1640: (61) r7 = *(u32 *)(r10 -28)
 1641: (07) r7 += -25
 1642: (25) if r7 > 0x1107 goto pc+709
 1643: (bf) r4 = r2
 1644: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1645: (79) r0 = *(u64 *)(r4 +0)
 1646: (18) r1 = 0x20656d617266693c
 1648: (5d) if r0 != r1 goto pc+703
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1649: (79) r0 = *(u64 *)(r4 +8)
 1650: (18) r1 = 0x747468223d637273
 1652: (5d) if r0 != r1 goto pc+699
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1653: (79) r0 = *(u64 *)(r4 +16)
 1654: (18) r1 = 0x2e3839312f2f3a70
 1656: (5d) if r0 != r1 goto pc+695
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1657: (79) r0 = *(u64 *)(r4 +24)
 1658: (18) r1 = 0x372e3030312e3135
 1660: (5d) if r0 != r1 goto pc+691
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1661: (79) r0 = *(u64 *)(r4 +25)
 1662: (18) r1 = 0x2f372e3030312e31
 1664: (5d) if r0 != r1 goto pc+687
 1665: (bf) r0 = r7
 1666: (1f) r0 -= r0
 1667: (63) *(u32 *)(r10 -44) = r0
 1668: (05) goto pc+667
; bounds: would begin 3 bytes before [pattern 1]
>1669: (61) r7 = *(u32 *)(r10 -28)
 1670: (07) r7 += -3
 1671: (25) if r7 > 0x1107 goto pc+680
 1672: (bf) r4 = r2
 1673: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1674: (79) r0 = *(u64 *)(r4 +0)
 1675: (18) r1 = 0x20656d617266693c
 1677: (5d) if r0 != r1 goto pc+674
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1678: (79) r0 = *(u64 *)(r4 +8)
 1679: (18) r1 = 0x747468223d637273
 1681: (5d) if r0 != r1 goto pc+670
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1682: (79) r0 = *(u64 *)(r4 +16)
 1683: (18) r1 = 0x2e3839312f2f3a70
 1685: (5d) if r0 != r1 goto pc+666
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1686: (79) r0 = *(u64 *)(r4 +24)
 1687: (18) r1 = 0x372e3030312e3135
 1689: (5d) if r0 != r1 goto pc+662
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1690: (79) r0 = *(u64 *)(r4 +25)
 1691: (18) r1 = 0x2f372e3030312e31
 1693: (5d) if r0 != r1 goto pc+658
 1694: (bf) r0 = r7
 1695: (1f) r0 -= r0
 1696: (63) *(u32 *)(r10 -44) = r0
 1697: (05) goto pc+638
; bounds: would begin 2 bytes before [pattern 1]
>1698: (61) r7 = *(u32 *)(r10 -28)
 1699: (07) r7 += -2
 1700: (25) if r7 > 0x1107 goto pc+651
 1701: (bf) r4 = r2
 1702: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1703: (79) r0 = *(u64 *)(r4 +0)
 1704: (18) r1 = 0x20656d617266693c
 1706: (5d) if r0 != r1 goto pc+645
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1707: (79) r0 = *(u64 *)(r4 +8)
 1708: (18) r1 = 0x747468223d637273
 1710: (5d) if r0 != r1 goto pc+641
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1711: (79) r0 = *(u64 *)(r4 +16)
 1712: (18) r1 = 0x2e3839312f2f3a70
 1714: (5d) if r0 != r1 goto pc+637
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1715: (79) r0 = *(u64 *)(r4 +24)
 1716: (18) r1 = 0x372e3030312e3135
 1718: (5d) if r0 != r1 goto pc+633
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1719: (79) r0 = *(u64 *)(r4 +25)
 1720: (18) r1 = 0x2f372e3030312e31
 1722: (5d) if r0 != r1 goto pc+629
 1723: (bf) r0 = r7
 1724: (1f) r0 -= r0
 1725: (63) *(u32 *)(r10 -44) = r0
 1726: (05) goto pc+609
; bounds: would begin 24 bytes before [pattern 1]
>1727: (61) r7 = *(u32 *)(r10 -28)
 1728: (07) r7 += -24
 1729: (25) if r7 > 0x1107 goto pc+622
 1730: (bf) r4 = r2
 1731: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1732: (79) r0 = *(u64 *)(r4 +0)
 1733: (18) r1 = 0x20656d617266693c
 1735: (5d) if r0 != r1 goto pc+616
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1736: (79) r0 = *(u64 *)(r4 +8)
 1737: (18) r1 = 0x747468223d637273
 1739: (5d) if r0 != r1 goto pc+612
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1740: (79) r0 = *(u64 *)(r4 +16)
 1741: (18) r1 = 0x2e3839312f2f3a70
 1743: (5d) if r0 != r1 goto pc+608
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1744: (79) r0 = *(u64 *)(r4 +24)
 1745: (18) r1 = 0x372e3030312e3135
 1747: (5d) if r0 != r1 goto pc+604
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1748: (79) r0 = *(u64 *)(r4 +25)
 1749: (18) r1 = 0x2f372e3030312e31
 1751: (5d) if r0 != r1 goto pc+600
 1752: (bf) r0 = r7
 1753: (1f) r0 -= r0
 1754: (63) *(u32 *)(r10 -44) = r0
 1755: (05) goto pc+580
; bounds: would begin 20 bytes before [pattern 1]
>1756: (61) r7 = *(u32 *)(r10 -28)
 1757: (07) r7 += -20
 1758: (25) if r7 > 0x1107 goto pc+593
 1759: (bf) r4 = r2
 1760: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1761: (79) r0 = *(u64 *)(r4 +0)
 1762: (18) r1 = 0x20656d617266693c
 1764: (5d) if r0 != r1 goto pc+587
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1765: (79) r0 = *(u64 *)(r4 +8)
 1766: (18) r1 = 0x747468223d637273
 1768: (5d) if r0 != r1 goto pc+583
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1769: (79) r0 = *(u64 *)(r4 +16)
 1770: (18) r1 = 0x2e3839312f2f3a70
 1772: (5d) if r0 != r1 goto pc+579
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1773: (79) r0 = *(u64 *)(r4 +24)
 1774: (18) r1 = 0x372e3030312e3135
 1776: (5d) if r0 != r1 goto pc+575
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1777: (79) r0 = *(u64 *)(r4 +25)
 1778: (18) r1 = 0x2f372e3030312e31
 1780: (5d) if r0 != r1 goto pc+571
 1781: (bf) r0 = r7
 1782: (1f) r0 -= r0
 1783: (63) *(u32 *)(r10 -44) = r0
 1784: (05) goto pc+551
; bounds: would begin 19 bytes before [pattern 1]
>1785: (61) r7 = *(u32 *)(r10 -28)
 1786: (07) r7 += -19
 1787: (25) if r7 > 0x1107 goto pc+564
 1788: (bf) r4 = r2
 1789: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1790: (79) r0 = *(u64 *)(r4 +0)
 1791: (18) r1 = 0x20656d617266693c
 1793: (5d) if r0 != r1 goto pc+558
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1794: (79) r0 = *(u64 *)(r4 +8)
 1795: (18) r1 = 0x747468223d637273
 1797: (5d) if r0 != r1 goto pc+554
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1798: (79) r0 = *(u64 *)(r4 +16)
 1799: (18) r1 = 0x2e3839312f2f3a70
 1801: (5d) if r0 != r1 goto pc+550
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1802: (79) r0 = *(u64 *)(r4 +24)
 1803: (18) r1 = 0x372e3030312e3135
 1805: (5d) if r0 != r1 goto pc+546
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1806: (79) r0 = *(u64 *)(r4 +25)
 1807: (18) r1 = 0x2f372e3030312e31
 1809: (5d) if r0 != r1 goto pc+542
 1810: (bf) r0 = r7
 1811: (1f) r0 -= r0
 1812: (63) *(u32 *)(r10 -44) = r0
 1813: (05) goto pc+522
; bounds: would begin 26 bytes before [pattern 1]
>1814: (61) r7 = *(u32 *)(r10 -28)
 1815: (07) r7 += -26
 1816: (25) if r7 > 0x1107 goto pc+535
 1817: (bf) r4 = r2
 1818: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1819: (79) r0 = *(u64 *)(r4 +0)
 1820: (18) r1 = 0x20656d617266693c
 1822: (5d) if r0 != r1 goto pc+529
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1823: (79) r0 = *(u64 *)(r4 +8)
 1824: (18) r1 = 0x747468223d637273
 1826: (5d) if r0 != r1 goto pc+525
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1827: (79) r0 = *(u64 *)(r4 +16)
 1828: (18) r1 = 0x2e3839312f2f3a70
 1830: (5d) if r0 != r1 goto pc+521
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1831: (79) r0 = *(u64 *)(r4 +24)
 1832: (18) r1 = 0x372e3030312e3135
 1834: (5d) if r0 != r1 goto pc+517
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1835: (79) r0 = *(u64 *)(r4 +25)
 1836: (18) r1 = 0x2f372e3030312e31
 1838: (5d) if r0 != r1 goto pc+513
 1839: (bf) r0 = r7
 1840: (1f) r0 -= r0
 1841: (63) *(u32 *)(r10 -44) = r0
 1842: (05) goto pc+493
; bounds: would begin 28 bytes before [pattern 1]
>1843: (61) r7 = *(u32 *)(r10 -28)
 1844: (07) r7 += -28
 1845: (25) if r7 > 0x1107 goto pc+506
 1846: (bf) r4 = r2
 1847: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1848: (79) r0 = *(u64 *)(r4 +0)
 1849: (18) r1 = 0x20656d617266693c
 1851: (5d) if r0 != r1 goto pc+500
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1852: (79) r0 = *(u64 *)(r4 +8)
 1853: (18) r1 = 0x747468223d637273
 1855: (5d) if r0 != r1 goto pc+496
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1856: (79) r0 = *(u64 *)(r4 +16)
 1857: (18) r1 = 0x2e3839312f2f3a70
 1859: (5d) if r0 != r1 goto pc+492
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1860: (79) r0 = *(u64 *)(r4 +24)
 1861: (18) r1 = 0x372e3030312e3135
 1863: (5d) if r0 != r1 goto pc+488
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1864: (79) r0 = *(u64 *)(r4 +25)
 1865: (18) r1 = 0x2f372e3030312e31
 1867: (5d) if r0 != r1 goto pc+484
 1868: (bf) r0 = r7
 1869: (1f) r0 -= r0
 1870: (63) *(u32 *)(r10 -44) = r0
 1871: (05) goto pc+464
; bounds: would begin 11 bytes before [pattern 1]
>1872: (61) r7 = *(u32 *)(r10 -28)
 1873: (07) r7 += -11
 1874: (25) if r7 > 0x1107 goto pc+477
 1875: (bf) r4 = r2
 1876: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1877: (79) r0 = *(u64 *)(r4 +0)
 1878: (18) r1 = 0x20656d617266693c
 1880: (5d) if r0 != r1 goto pc+471
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1881: (79) r0 = *(u64 *)(r4 +8)
 1882: (18) r1 = 0x747468223d637273
 1884: (5d) if r0 != r1 goto pc+467
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1885: (79) r0 = *(u64 *)(r4 +16)
 1886: (18) r1 = 0x2e3839312f2f3a70
 1888: (5d) if r0 != r1 goto pc+463
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1889: (79) r0 = *(u64 *)(r4 +24)
 1890: (18) r1 = 0x372e3030312e3135
 1892: (5d) if r0 != r1 goto pc+459
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1893: (79) r0 = *(u64 *)(r4 +25)
 1894: (18) r1 = 0x2f372e3030312e31
 1896: (5d) if r0 != r1 goto pc+455
 1897: (bf) r0 = r7
 1898: (1f) r0 -= r0
 1899: (63) *(u32 *)(r10 -44) = r0
 1900: (05) goto pc+435
; bounds: would begin 21 bytes before [pattern 1]
>1901: (61) r7 = *(u32 *)(r10 -28)
 1902: (07) r7 += -21
 1903: (25) if r7 > 0x1107 goto pc+448
 1904: (bf) r4 = r2
 1905: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1906: (79) r0 = *(u64 *)(r4 +0)
 1907: (18) r1 = 0x20656d617266693c
 1909: (5d) if r0 != r1 goto pc+442
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1910: (79) r0 = *(u64 *)(r4 +8)
 1911: (18) r1 = 0x747468223d637273
 1913: (5d) if r0 != r1 goto pc+438
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1914: (79) r0 = *(u64 *)(r4 +16)
 1915: (18) r1 = 0x2e3839312f2f3a70
 1917: (5d) if r0 != r1 goto pc+434
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1918: (79) r0 = *(u64 *)(r4 +24)
 1919: (18) r1 = 0x372e3030312e3135
 1921: (5d) if r0 != r1 goto pc+430
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1922: (79) r0 = *(u64 *)(r4 +25)
 1923: (18) r1 = 0x2f372e3030312e31
 1925: (5d) if r0 != r1 goto pc+426
 1926: (bf) r0 = r7
 1927: (1f) r0 -= r0
 1928: (63) *(u32 *)(r10 -44) = r0
 1929: (05) goto pc+406
; bounds: would begin 12 bytes before [pattern 1]
>1930: (61) r7 = *(u32 *)(r10 -28)
 1931: (07) r7 += -12
 1932: (25) if r7 > 0x1107 goto pc+419
 1933: (bf) r4 = r2
 1934: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1935: (79) r0 = *(u64 *)(r4 +0)
 1936: (18) r1 = 0x20656d617266693c
 1938: (5d) if r0 != r1 goto pc+413
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1939: (79) r0 = *(u64 *)(r4 +8)
 1940: (18) r1 = 0x747468223d637273
 1942: (5d) if r0 != r1 goto pc+409
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1943: (79) r0 = *(u64 *)(r4 +16)
 1944: (18) r1 = 0x2e3839312f2f3a70
 1946: (5d) if r0 != r1 goto pc+405
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1947: (79) r0 = *(u64 *)(r4 +24)
 1948: (18) r1 = 0x372e3030312e3135
 1950: (5d) if r0 != r1 goto pc+401
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1951: (79) r0 = *(u64 *)(r4 +25)
 1952: (18) r1 = 0x2f372e3030312e31
 1954: (5d) if r0 != r1 goto pc+397
 1955: (bf) r0 = r7
 1956: (1f) r0 -= r0
 1957: (63) *(u32 *)(r10 -44) = r0
 1958: (05) goto pc+377
; bounds: would begin 4 bytes before [pattern 1]
>1959: (61) r7 = *(u32 *)(r10 -28)
 1960: (07) r7 += -4
 1961: (25) if r7 > 0x1107 goto pc+390
 1962: (bf) r4 = r2
 1963: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1964: (79) r0 = *(u64 *)(r4 +0)
 1965: (18) r1 = 0x20656d617266693c
 1967: (5d) if r0 != r1 goto pc+384
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1968: (79) r0 = *(u64 *)(r4 +8)
 1969: (18) r1 = 0x747468223d637273
 1971: (5d) if r0 != r1 goto pc+380
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 1972: (79) r0 = *(u64 *)(r4 +16)
 1973: (18) r1 = 0x2e3839312f2f3a70
 1975: (5d) if r0 != r1 goto pc+376
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 1976: (79) r0 = *(u64 *)(r4 +24)
 1977: (18) r1 = 0x372e3030312e3135
 1979: (5d) if r0 != r1 goto pc+372
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 1980: (79) r0 = *(u64 *)(r4 +25)
 1981: (18) r1 = 0x2f372e3030312e31
 1983: (5d) if r0 != r1 goto pc+368
 1984: (bf) r0 = r7
 1985: (1f) r0 -= r0
 1986: (63) *(u32 *)(r10 -44) = r0
 1987: (05) goto pc+348
; bounds: would begin 17 bytes before [pattern 1]
>1988: (61) r7 = *(u32 *)(r10 -28)
 1989: (07) r7 += -17
 1990: (25) if r7 > 0x1107 goto pc+361
 1991: (bf) r4 = r2
 1992: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 1993: (79) r0 = *(u64 *)(r4 +0)
 1994: (18) r1 = 0x20656d617266693c
 1996: (5d) if r0 != r1 goto pc+355
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 1997: (79) r0 = *(u64 *)(r4 +8)
 1998: (18) r1 = 0x747468223d637273
 2000: (5d) if r0 != r1 goto pc+351
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 2001: (79) r0 = *(u64 *)(r4 +16)
 2002: (18) r1 = 0x2e3839312f2f3a70
 2004: (5d) if r0 != r1 goto pc+347
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 2005: (79) r0 = *(u64 *)(r4 +24)
 2006: (18) r1 = 0x372e3030312e3135
 2008: (5d) if r0 != r1 goto pc+343
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 2009: (79) r0 = *(u64 *)(r4 +25)
 2010: (18) r1 = 0x2f372e3030312e31
 2012: (5d) if r0 != r1 goto pc+339
 2013: (bf) r0 = r7
 2014: (1f) r0 -= r0
 2015: (63) *(u32 *)(r10 -44) = r0
 2016: (05) goto pc+319
; bounds: would begin 23 bytes before [pattern 1]
>2017: (61) r7 = *(u32 *)(r10 -28)
 2018: (07) r7 += -23
 2019: (25) if r7 > 0x1107 goto pc+332
 2020: (bf) r4 = r2
 2021: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 2022: (79) r0 = *(u64 *)(r4 +0)
 2023: (18) r1 = 0x20656d617266693c
 2025: (5d) if r0 != r1 goto pc+326
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 2026: (79) r0 = *(u64 *)(r4 +8)
 2027: (18) r1 = 0x747468223d637273
 2029: (5d) if r0 != r1 goto pc+322
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 2030: (79) r0 = *(u64 *)(r4 +16)
 2031: (18) r1 = 0x2e3839312f2f3a70
 2033: (5d) if r0 != r1 goto pc+318
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 2034: (79) r0 = *(u64 *)(r4 +24)
 2035: (18) r1 = 0x372e3030312e3135
 2037: (5d) if r0 != r1 goto pc+314
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 2038: (79) r0 = *(u64 *)(r4 +25)
 2039: (18) r1 = 0x2f372e3030312e31
 2041: (5d) if r0 != r1 goto pc+310
 2042: (bf) r0 = r7
 2043: (1f) r0 -= r0
 2044: (63) *(u32 *)(r10 -44) = r0
 2045: (05) goto pc+290
; bounds: would begin 22 bytes before [pattern 1]
>2046: (61) r7 = *(u32 *)(r10 -28)
 2047: (07) r7 += -22
 2048: (25) if r7 > 0x1107 goto pc+303
 2049: (bf) r4 = r2
 2050: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 2051: (79) r0 = *(u64 *)(r4 +0)
 2052: (18) r1 = 0x20656d617266693c
 2054: (5d) if r0 != r1 goto pc+297
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 2055: (79) r0 = *(u64 *)(r4 +8)
 2056: (18) r1 = 0x747468223d637273
 2058: (5d) if r0 != r1 goto pc+293
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 2059: (79) r0 = *(u64 *)(r4 +16)
 2060: (18) r1 = 0x2e3839312f2f3a70
 2062: (5d) if r0 != r1 goto pc+289
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 2063: (79) r0 = *(u64 *)(r4 +24)
 2064: (18) r1 = 0x372e3030312e3135
 2066: (5d) if r0 != r1 goto pc+285
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 2067: (79) r0 = *(u64 *)(r4 +25)
 2068: (18) r1 = 0x2f372e3030312e31
 2070: (5d) if r0 != r1 goto pc+281
 2071: (bf) r0 = r7
 2072: (1f) r0 -= r0
 2073: (63) *(u32 *)(r10 -44) = r0
 2074: (05) goto pc+261
; bounds: would begin 1 bytes before [pattern 1]
>2075: (61) r7 = *(u32 *)(r10 -28)
 2076: (07) r7 += -1
 2077: (25) if r7 > 0x1107 goto pc+274
 2078: (bf) r4 = r2
 2079: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 2080: (79) r0 = *(u64 *)(r4 +0)
 2081: (18) r1 = 0x20656d617266693c
 2083: (5d) if r0 != r1 goto pc+268
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 2084: (79) r0 = *(u64 *)(r4 +8)
 2085: (18) r1 = 0x747468223d637273
 2087: (5d) if r0 != r1 goto pc+264
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 2088: (79) r0 = *(u64 *)(r4 +16)
 2089: (18) r1 = 0x2e3839312f2f3a70
 2091: (5d) if r0 != r1 goto pc+260
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 2092: (79) r0 = *(u64 *)(r4 +24)
 2093: (18) r1 = 0x372e3030312e3135
 2095: (5d) if r0 != r1 goto pc+256
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 2096: (79) r0 = *(u64 *)(r4 +25)
 2097: (18) r1 = 0x2f372e3030312e31
 2099: (5d) if r0 != r1 goto pc+252
 2100: (bf) r0 = r7
 2101: (1f) r0 -= r0
 2102: (63) *(u32 *)(r10 -44) = r0
 2103: (05) goto pc+232
; bounds: would begin 27 bytes before [pattern 1]
>2104: (61) r7 = *(u32 *)(r10 -28)
 2105: (07) r7 += -27
 2106: (25) if r7 > 0x1107 goto pc+245
 2107: (bf) r4 = r2
 2108: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 2109: (79) r0 = *(u64 *)(r4 +0)
 2110: (18) r1 = 0x20656d617266693c
 2112: (5d) if r0 != r1 goto pc+239
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 2113: (79) r0 = *(u64 *)(r4 +8)
 2114: (18) r1 = 0x747468223d637273
 2116: (5d) if r0 != r1 goto pc+235
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 2117: (79) r0 = *(u64 *)(r4 +16)
 2118: (18) r1 = 0x2e3839312f2f3a70
 2120: (5d) if r0 != r1 goto pc+231
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 2121: (79) r0 = *(u64 *)(r4 +24)
 2122: (18) r1 = 0x372e3030312e3135
 2124: (5d) if r0 != r1 goto pc+227
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 2125: (79) r0 = *(u64 *)(r4 +25)
 2126: (18) r1 = 0x2f372e3030312e31
 2128: (5d) if r0 != r1 goto pc+223
 2129: (bf) r0 = r7
 2130: (1f) r0 -= r0
 2131: (63) *(u32 *)(r10 -44) = r0
 2132: (05) goto pc+203
; bounds: would begin 5 bytes before [pattern 1]
>2133: (61) r7 = *(u32 *)(r10 -28)
 2134: (07) r7 += -5
 2135: (25) if r7 > 0x1107 goto pc+216
 2136: (bf) r4 = r2
 2137: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 2138: (79) r0 = *(u64 *)(r4 +0)
 2139: (18) r1 = 0x20656d617266693c
 2141: (5d) if r0 != r1 goto pc+210
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 2142: (79) r0 = *(u64 *)(r4 +8)
 2143: (18) r1 = 0x747468223d637273
 2145: (5d) if r0 != r1 goto pc+206
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 2146: (79) r0 = *(u64 *)(r4 +16)
 2147: (18) r1 = 0x2e3839312f2f3a70
 2149: (5d) if r0 != r1 goto pc+202
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 2150: (79) r0 = *(u64 *)(r4 +24)
 2151: (18) r1 = 0x372e3030312e3135
 2153: (5d) if r0 != r1 goto pc+198
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 2154: (79) r0 = *(u64 *)(r4 +25)
 2155: (18) r1 = 0x2f372e3030312e31
 2157: (5d) if r0 != r1 goto pc+194
 2158: (bf) r0 = r7
 2159: (1f) r0 -= r0
 2160: (63) *(u32 *)(r10 -44) = r0
 2161: (05) goto pc+174
; bounds: would begin 18 bytes before [pattern 1]
>2162: (61) r7 = *(u32 *)(r10 -28)
 2163: (07) r7 += -18
 2164: (25) if r7 > 0x1107 goto pc+187
 2165: (bf) r4 = r2
 2166: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 2167: (79) r0 = *(u64 *)(r4 +0)
 2168: (18) r1 = 0x20656d617266693c
 2170: (5d) if r0 != r1 goto pc+181
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 2171: (79) r0 = *(u64 *)(r4 +8)
 2172: (18) r1 = 0x747468223d637273
 2174: (5d) if r0 != r1 goto pc+177
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 2175: (79) r0 = *(u64 *)(r4 +16)
 2176: (18) r1 = 0x2e3839312f2f3a70
 2178: (5d) if r0 != r1 goto pc+173
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 2179: (79) r0 = *(u64 *)(r4 +24)
 2180: (18) r1 = 0x372e3030312e3135
 2182: (5d) if r0 != r1 goto pc+169
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 2183: (79) r0 = *(u64 *)(r4 +25)
 2184: (18) r1 = 0x2f372e3030312e31
 2186: (5d) if r0 != r1 goto pc+165
 2187: (bf) r0 = r7
 2188: (1f) r0 -= r0
 2189: (63) *(u32 *)(r10 -44) = r0
 2190: (05) goto pc+145
; bounds: would begin 7 bytes before [pattern 1]
>2191: (61) r7 = *(u32 *)(r10 -28)
 2192: (07) r7 += -7
 2193: (25) if r7 > 0x1107 goto pc+158
 2194: (bf) r4 = r2
 2195: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 2196: (79) r0 = *(u64 *)(r4 +0)
 2197: (18) r1 = 0x20656d617266693c
 2199: (5d) if r0 != r1 goto pc+152
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 2200: (79) r0 = *(u64 *)(r4 +8)
 2201: (18) r1 = 0x747468223d637273
 2203: (5d) if r0 != r1 goto pc+148
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 2204: (79) r0 = *(u64 *)(r4 +16)
 2205: (18) r1 = 0x2e3839312f2f3a70
 2207: (5d) if r0 != r1 goto pc+144
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 2208: (79) r0 = *(u64 *)(r4 +24)
 2209: (18) r1 = 0x372e3030312e3135
 2211: (5d) if r0 != r1 goto pc+140
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 2212: (79) r0 = *(u64 *)(r4 +25)
 2213: (18) r1 = 0x2f372e3030312e31
 2215: (5d) if r0 != r1 goto pc+136
 2216: (bf) r0 = r7
 2217: (1f) r0 -= r0
 2218: (63) *(u32 *)(r10 -44) = r0
 2219: (05) goto pc+116
; bounds: would begin 10 bytes before [pattern 1]
>2220: (61) r7 = *(u32 *)(r10 -28)
 2221: (07) r7 += -10
 2222: (25) if r7 > 0x1107 goto pc+129
 2223: (bf) r4 = r2
 2224: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 2225: (79) r0 = *(u64 *)(r4 +0)
 2226: (18) r1 = 0x20656d617266693c
 2228: (5d) if r0 != r1 goto pc+123
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 2229: (79) r0 = *(u64 *)(r4 +8)
 2230: (18) r1 = 0x747468223d637273
 2232: (5d) if r0 != r1 goto pc+119
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 2233: (79) r0 = *(u64 *)(r4 +16)
 2234: (18) r1 = 0x2e3839312f2f3a70
 2236: (5d) if r0 != r1 goto pc+115
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 2237: (79) r0 = *(u64 *)(r4 +24)
 2238: (18) r1 = 0x372e3030312e3135
 2240: (5d) if r0 != r1 goto pc+111
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 2241: (79) r0 = *(u64 *)(r4 +25)
 2242: (18) r1 = 0x2f372e3030312e31
 2244: (5d) if r0 != r1 goto pc+107
 2245: (bf) r0 = r7
 2246: (1f) r0 -= r0
 2247: (63) *(u32 *)(r10 -44) = r0
 2248: (05) goto pc+87
; bounds: would begin 8 bytes before [pattern 1]
>2249: (61) r7 = *(u32 *)(r10 -28)
 2250: (07) r7 += -8
 2251: (25) if r7 > 0x1107 goto pc+100
 2252: (bf) r4 = r2
 2253: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 2254: (79) r0 = *(u64 *)(r4 +0)
 2255: (18) r1 = 0x20656d617266693c
 2257: (5d) if r0 != r1 goto pc+94
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 2258: (79) r0 = *(u64 *)(r4 +8)
 2259: (18) r1 = 0x747468223d637273
 2261: (5d) if r0 != r1 goto pc+90
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 2262: (79) r0 = *(u64 *)(r4 +16)
 2263: (18) r1 = 0x2e3839312f2f3a70
 2265: (5d) if r0 != r1 goto pc+86
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 2266: (79) r0 = *(u64 *)(r4 +24)
 2267: (18) r1 = 0x372e3030312e3135
 2269: (5d) if r0 != r1 goto pc+82
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 2270: (79) r0 = *(u64 *)(r4 +25)
 2271: (18) r1 = 0x2f372e3030312e31
 2273: (5d) if r0 != r1 goto pc+78
 2274: (bf) r0 = r7
 2275: (1f) r0 -= r0
 2276: (63) *(u32 *)(r10 -44) = r0
 2277: (05) goto pc+58
; bounds: would begin 14 bytes before [pattern 1]
>2278: (61) r7 = *(u32 *)(r10 -28)
 2279: (07) r7 += -14
 2280: (25) if r7 > 0x1107 goto pc+71
 2281: (bf) r4 = r2
 2282: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 2283: (79) r0 = *(u64 *)(r4 +0)
 2284: (18) r1 = 0x20656d617266693c
 2286: (5d) if r0 != r1 goto pc+65
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 2287: (79) r0 = *(u64 *)(r4 +8)
 2288: (18) r1 = 0x747468223d637273
 2290: (5d) if r0 != r1 goto pc+61
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 2291: (79) r0 = *(u64 *)(r4 +16)
 2292: (18) r1 = 0x2e3839312f2f3a70
 2294: (5d) if r0 != r1 goto pc+57
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 2295: (79) r0 = *(u64 *)(r4 +24)
 2296: (18) r1 = 0x372e3030312e3135
 2298: (5d) if r0 != r1 goto pc+53
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 2299: (79) r0 = *(u64 *)(r4 +25)
 2300: (18) r1 = 0x2f372e3030312e31
 2302: (5d) if r0 != r1 goto pc+49
 2303: (bf) r0 = r7
 2304: (1f) r0 -= r0
 2305: (63) *(u32 *)(r10 -44) = r0
 2306: (05) goto pc+29
; bounds: would begin 6 bytes before [pattern 1]
>2307: (61) r7 = *(u32 *)(r10 -28)
 2308: (07) r7 += -6
 2309: (25) if r7 > 0x1107 goto pc+42
 2310: (bf) r4 = r2
 2311: (0f) r4 += r7
; confirm: match "<iframe " at +0 [pattern 1, byte 0]
 2312: (79) r0 = *(u64 *)(r4 +0)
 2313: (18) r1 = 0x20656d617266693c
 2315: (5d) if r0 != r1 goto pc+36
; confirm: match "src=\"htt" at +8 [pattern 1, byte 8]
 2316: (79) r0 = *(u64 *)(r4 +8)
 2317: (18) r1 = 0x747468223d637273
 2319: (5d) if r0 != r1 goto pc+32
; confirm: match "p://198." at +16 [pattern 1, byte 16]
 2320: (79) r0 = *(u64 *)(r4 +16)
 2321: (18) r1 = 0x2e3839312f2f3a70
 2323: (5d) if r0 != r1 goto pc+28
; confirm: match "51.100.7" at +24 [pattern 1, byte 24]
 2324: (79) r0 = *(u64 *)(r4 +24)
 2325: (18) r1 = 0x372e3030312e3135
 2327: (5d) if r0 != r1 goto pc+24
; confirm: match "1.100.7/" at +25 [pattern 1, byte 25]
 2328: (79) r0 = *(u64 *)(r4 +25)
 2329: (18) r1 = 0x2f372e3030312e31
 2331: (5d) if r0 != r1 goto pc+20
 2332: (bf) r0 = r7
 2333: (1f) r0 -= r0
 2334: (63) *(u32 *)(r10 -44) = r0
 2335: (05) goto pc+0
; bounds: 33 bytes, inside the scope and the window
>2336: (bf) r1 = r7
 2337: (07) r1 += 33
 2338: (61) r0 = *(u32 *)(r10 -60)
 2339: (2d) if r1 > r0 goto pc+12
 2340: (bf) r1 = r7
 2341: (61) r0 = *(u32 *)(r10 -64)
 2342: (0f) r1 += r0
 2343: (61) r0 = *(u32 *)(r10 -4)
 2344: (ad) if r1 < r0 goto pc+7
 2345: (1f) r1 -= r0
; report: found
 2346: (bf) r2 = r1
 2347: (07) r2 += 33
 2348: (61) r1 = *(u32 *)(r10 -44)
 2349: (79) r3 = *(u64 *)(r10 -56)
 2350: (85) call pc+48
 2351: (05) goto pc+20
; scan: go on behind the look
>2352: (07) r8 += 29
 2353: (bf) r0 = r8
 2354: (07) r0 += 207
 2355: (61) r7 = *(u32 *)(r10 -60)
 2356: (2d) if r0 > r7 goto pc-961
 2357: (07) r7 += -207
 2358: (63) *(u32 *)(r10 -28) = r7
 2359: (61) r7 = *(u32 *)(r10 -28)
 2360: (05) goto pc-1047
; scan: this window is finished
>2361: (61) r1 = *(u32 *)(r10 -64)
 2362: (07) r1 += 4096
 2363: (63) *(u32 *)(r10 -64) = r1
 2364: (05) goto pc-1086
; scan: a part could not be searched
>2365: (72) *(u8 *)(r10 -6) = 1
 2366: (05) goto pc+0
; verdict: end of the search
>2367: (71) r0 = *(u8 *)(r10 -6)
 2368: (55) if r0 != 0x0 goto pc+21
 2369: (71) r0 = *(u8 *)(r10 -5)
 2370: (55) if r0 != 0x0 goto pc+19
 2371: (05) goto pc+9
; verdict: matched: pass
>2372: (79) r0 = *(u64 *)(r10 -56)
 2373: (79) r1 = *(u64 *)(r0 +32)
 2374: (07) r1 += 1
 2375: (7b) *(u64 *)(r0 +32) = r1
 2376: (79) r1 = *(u64 *)(r0 +48)
 2377: (07) r1 += 1
 2378: (7b) *(u64 *)(r0 +48) = r1
 2379: (b7) r0 = 2
 2380: (95) exit
; verdict: missed: pass
>2381: (79) r0 = *(u64 *)(r10 -56)
 2382: (79) r1 = *(u64 *)(r0 +40)
 2383: (07) r1 += 1
 2384: (7b) *(u64 *)(r0 +40) = r1
 2385: (79) r1 = *(u64 *)(r0 +48)
 2386: (07) r1 += 1
 2387: (7b) *(u64 *)(r0 +48) = r1
 2388: (b7) r0 = 2
 2389: (95) exit
; verdict: unsearched: pass
>2390: (79) r0 = *(u64 *)(r10 -56)
 2391: (79) r1 = *(u64 *)(r0 +24)
 2392: (07) r1 += 1
 2393: (7b) *(u64 *)(r0 +24) = r1
 2394: (79) r1 = *(u64 *)(r0 +48)
 2395: (07) r1 += 1
 2396: (7b) *(u64 *)(r0 +48) = r1
 2397: (b7) r0 = 2
 2398: (95) exit
; report: note a match: hits of the pattern, its end in this frame
.function note
>2399: (63) *(u32 *)(r10 -4) = r1
 2400: (7b) *(u64 *)(r10 -16) = r2
 2401: (79) r3 = *(u64 *)(r3 +0)
 2402: (7b) *(u64 *)(r10 -24) = r3
 2403: (bf) r2 = r10
 2404: (07) r2 += -4
 2405: (18) r1 = map[hits]
 2407: (85) call bpf_map_lookup_elem#1
 2408: (15) if r0 == 0x0 goto pc+12
 2409: (79) r1 = *(u64 *)(r10 -24)
 2410: (79) r2 = *(u64 *)(r10 -16)
 2411: (79) r3 = *(u64 *)(r0 +8)
 2412: (5d) if r3 != r1 goto pc+3
 2413: (79) r3 = *(u64 *)(r0 +16)
 2414: (ad) if r2 < r3 goto pc+5
 2415: (05) goto pc+5
>2416: (7b) *(u64 *)(r0 +8) = r1
 2417: (79) r3 = *(u64 *)(r0 +0)
 2418: (07) r3 += 1
 2419: (7b) *(u64 *)(r0 +0) = r3
>2420: (7b) *(u64 *)(r0 +16) = r2
>2421: (b7) r0 = 0
 2422: (95) exit
