.program hardwire xdp frags
.map counters percpu_array key 4 value 128 entries 1
.map hits percpu_array key 4 value 24 entries 6
.map scratch percpu_array key 4 value 4368 entries 1
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
> 15: (7b) *(u64 *)(r10 -56) = r0
  16: (79) r1 = *(u64 *)(r0 +0)
  17: (07) r1 += 1
  18: (7b) *(u64 *)(r0 +0) = r1
  19: (79) r1 = *(u64 *)(r0 +8)
  20: (0f) r1 += r8
  21: (7b) *(u64 *)(r0 +8) = r1
  22: (61) r7 = *(u32 *)(r10 -20)
  23: (61) r0 = *(u32 *)(r10 -20)
  24: (1f) r7 -= r0
; entry: scratch memory of this CPU
  25: (62) *(u32 *)(r10 -44) = 0
  26: (bf) r2 = r10
  27: (07) r2 += -44
  28: (18) r1 = map[scratch]
  30: (85) call bpf_map_lookup_elem#1
  31: (15) if r0 == 0x0 goto pc+243
  32: (7b) *(u64 *)(r10 -72) = r0
; entry: copy the first window
  33: (61) r4 = *(u32 *)(r10 -20)
  34: (62) *(u32 *)(r10 -60) = 0
  35: (c5) if r4 s< 0x1 goto pc+8
  36: (b5) if r4 <= 0x100a goto pc+1
  37: (b7) r4 = 4106
> 38: (63) *(u32 *)(r10 -60) = r4
  39: (bf) r1 = r6
  40: (b7) r2 = 0
  41: (79) r3 = *(u64 *)(r10 -72)
  42: (85) call bpf_xdp_load_bytes#189
  43: (55) if r0 != 0x0 goto pc+231
> 44: (79) r2 = *(u64 *)(r10 -72)
; scope: scope: the whole frame
  45: (b7) r9 = 0
  46: (af) r9 ^= r7
  47: (63) *(u32 *)(r10 -4) = r9
  48: (63) *(u32 *)(r10 -12) = r8
  49: (73) *(u8 *)(r10 -5) = r7
  50: (b5) if r8 <= 0xffff goto pc+2
  51: (72) *(u8 *)(r10 -5) = 1
  52: (62) *(u32 *)(r10 -12) = 65535
> 53: (73) *(u8 *)(r10 -7) = r7
  54: (73) *(u8 *)(r10 -6) = r7
  55: (61) r9 = *(u32 *)(r10 -4)
; scan: the first window is there already
  56: (61) r0 = *(u32 *)(r10 -60)
  57: (61) r1 = *(u32 *)(r10 -12)
  58: (bd) if r0 <= r1 goto pc+1
  59: (63) *(u32 *)(r10 -60) = r1
> 60: (63) *(u32 *)(r10 -28) = r9
  61: (61) r3 = *(u32 *)(r10 -28)
  62: (61) r9 = *(u32 *)(r10 -20)
  63: (61) r0 = *(u32 *)(r10 -20)
  64: (1f) r9 -= r0
  65: (63) *(u32 *)(r10 -28) = r9
  66: (61) r9 = *(u32 *)(r10 -28)
  67: (05) goto pc+25
; scan: next window
> 68: (b7) r0 = 0
  69: (b7) r1 = 0
  70: (b7) r2 = 0
  71: (b7) r3 = 0
  72: (b7) r4 = 0
  73: (b7) r5 = 0
  74: (b7) r6 = 0
  75: (e5) may_goto pc+172
  76: (63) *(u32 *)(r10 -28) = r9
  77: (61) r9 = *(u32 *)(r10 -28)
  78: (61) r4 = *(u32 *)(r10 -12)
  79: (1f) r4 -= r9
  80: (c5) if r4 s< 0x4 goto pc+169
  81: (25) if r9 > 0xffff goto pc+166
  82: (b5) if r4 <= 0x100a goto pc+1
  83: (b7) r4 = 4106
> 84: (63) *(u32 *)(r10 -60) = r4
  85: (79) r1 = *(u64 *)(r10 -40)
  86: (bf) r2 = r9
  87: (79) r3 = *(u64 *)(r10 -72)
  88: (85) call bpf_xdp_load_bytes#189
  89: (55) if r0 != 0x0 goto pc+158
  90: (61) r3 = *(u32 *)(r10 -20)
  91: (61) r0 = *(u32 *)(r10 -20)
  92: (1f) r3 -= r0
; scan: 8 positions: may a literal begin here?
> 93: (b7) r0 = 0
  94: (b7) r1 = 0
  95: (b7) r2 = 0
  96: (b7) r4 = 0
  97: (b7) r5 = 0
  98: (b7) r6 = 0
  99: (e5) may_goto pc+148
 100: (63) *(u32 *)(r10 -28) = r3
 101: (61) r3 = *(u32 *)(r10 -28)
 102: (25) if r3 > 0xff8 goto pc+6
 103: (61) r0 = *(u32 *)(r10 -60)
 104: (1f) r0 -= r3
 105: (c5) if r0 s< 0x4 goto pc+144
 106: (79) r6 = *(u64 *)(r10 -72)
 107: (0f) r6 += r3
 108: (05) goto pc+4
; scan: this window is finished
>109: (0f) r9 += r3
 110: (63) *(u32 *)(r10 -28) = r9
 111: (61) r9 = *(u32 *)(r10 -28)
 112: (05) goto pc-45
; scan: a literal may begin here
>113: (05) goto pc+0
>114: (63) *(u32 *)(r10 -28) = r3
 115: (61) r3 = *(u32 *)(r10 -28)
 116: (25) if r3 > 0x1000 goto pc+131
 117: (79) r6 = *(u64 *)(r10 -72)
 118: (0f) r6 += r3
 119: (61) r0 = *(u32 *)(r6 +0)
; scan: tree of grams
 120: (36) if w0 >= 0x54534f50 goto pc+4
 121: (16) if w0 == 0x20544547 goto pc+7
 122: (16) if w0 == 0x2e646d63 goto pc+25
 123: (16) if w0 == 0x454c4553 goto pc+43
 124: (05) goto pc+120
>125: (16) if w0 == 0x54534f50 goto pc+60
 126: (16) if w0 == 0x6374652f goto pc+76
 127: (16) if w0 == 0x6f696e75 goto pc+98
 128: (05) goto pc+116
; bounds: 5 bytes left, inside the window [pattern 1]
>129: (61) r1 = *(u32 *)(r10 -60)
 130: (61) r3 = *(u32 *)(r10 -28)
 131: (1f) r1 -= r3
 132: (c5) if r1 s< 0x5 goto pc+14
; confirm: match "GET " at +0 [pattern 1, byte 0]
 133: (61) r0 = *(u32 *)(r6 +0)
 134: (56) if w0 != 0x20544547 goto pc+12
; confirm: match "ET /" at +1 [pattern 1, byte 1]
 135: (61) r0 = *(u32 *)(r6 +1)
 136: (56) if w0 != 0x2f205445 goto pc+10
; report: found [pattern 1]
 137: (61) r2 = *(u32 *)(r10 -28)
 138: (0f) r2 += r9
 139: (61) r0 = *(u32 *)(r10 -4)
 140: (1f) r2 -= r0
 141: (07) r2 += 5
 142: (b7) r1 = 0
 143: (79) r3 = *(u64 *)(r10 -56)
 144: (85) call pc+139
 145: (72) *(u8 *)(r10 -7) = 1
 146: (05) goto pc+0
>147: (05) goto pc+97
; bounds: 7 bytes left, inside the window [pattern 4]
>148: (61) r1 = *(u32 *)(r10 -60)
 149: (61) r3 = *(u32 *)(r10 -28)
 150: (1f) r1 -= r3
 151: (c5) if r1 s< 0x7 goto pc+14
; confirm: match "cmd." at +0 [pattern 4, byte 0]
 152: (61) r0 = *(u32 *)(r6 +0)
 153: (56) if w0 != 0x2e646d63 goto pc+12
; confirm: match ".exe" at +3 [pattern 4, byte 3]
 154: (61) r0 = *(u32 *)(r6 +3)
 155: (56) if w0 != 0x6578652e goto pc+10
; report: found [pattern 4]
 156: (61) r2 = *(u32 *)(r10 -28)
 157: (0f) r2 += r9
 158: (61) r0 = *(u32 *)(r10 -4)
 159: (1f) r2 -= r0
 160: (07) r2 += 7
 161: (b7) r1 = 3
 162: (79) r3 = *(u64 *)(r10 -56)
 163: (85) call pc+120
 164: (72) *(u8 *)(r10 -7) = 1
 165: (05) goto pc+0
>166: (05) goto pc+78
; bounds: 6 bytes left, inside the window [pattern 5]
>167: (61) r1 = *(u32 *)(r10 -60)
 168: (61) r3 = *(u32 *)(r10 -28)
 169: (1f) r1 -= r3
 170: (c5) if r1 s< 0x6 goto pc+14
; confirm: match "SELE" at +0 [pattern 5, byte 0]
 171: (61) r0 = *(u32 *)(r6 +0)
 172: (56) if w0 != 0x454c4553 goto pc+12
; confirm: match "LECT" at +2 [pattern 5, byte 2]
 173: (61) r0 = *(u32 *)(r6 +2)
 174: (56) if w0 != 0x5443454c goto pc+10
; report: found [pattern 5]
 175: (61) r2 = *(u32 *)(r10 -28)
 176: (0f) r2 += r9
 177: (61) r0 = *(u32 *)(r10 -4)
 178: (1f) r2 -= r0
 179: (07) r2 += 6
 180: (b7) r1 = 4
 181: (79) r3 = *(u64 *)(r10 -56)
 182: (85) call pc+101
 183: (72) *(u8 *)(r10 -7) = 1
 184: (05) goto pc+0
>185: (05) goto pc+59
; bounds: 4 bytes left, inside the window [pattern 2]
>186: (61) r1 = *(u32 *)(r10 -60)
 187: (61) r3 = *(u32 *)(r10 -28)
 188: (1f) r1 -= r3
 189: (c5) if r1 s< 0x4 goto pc+12
; confirm: match "POST" at +0 [pattern 2, byte 0]
 190: (61) r0 = *(u32 *)(r6 +0)
 191: (56) if w0 != 0x54534f50 goto pc+10
; report: found [pattern 2]
 192: (61) r2 = *(u32 *)(r10 -28)
 193: (0f) r2 += r9
 194: (61) r0 = *(u32 *)(r10 -4)
 195: (1f) r2 -= r0
 196: (07) r2 += 4
 197: (b7) r1 = 1
 198: (79) r3 = *(u64 *)(r10 -56)
 199: (85) call pc+84
 200: (72) *(u8 *)(r10 -7) = 1
 201: (05) goto pc+0
>202: (05) goto pc+42
; bounds: 11 bytes left, inside the window [pattern 3]
>203: (61) r1 = *(u32 *)(r10 -60)
 204: (61) r3 = *(u32 *)(r10 -28)
 205: (1f) r1 -= r3
 206: (c5) if r1 s< 0xb goto pc+18
; confirm: match "/etc/pas" at +0 [pattern 3, byte 0]
 207: (79) r0 = *(u64 *)(r6 +0)
 208: (18) r1 = 0x7361702f6374652f
 210: (5d) if r0 != r1 goto pc+14
; confirm: match "c/passwd" at +3 [pattern 3, byte 3]
 211: (79) r0 = *(u64 *)(r6 +3)
 212: (18) r1 = 0x6477737361702f63
 214: (5d) if r0 != r1 goto pc+10
; report: found [pattern 3]
 215: (61) r2 = *(u32 *)(r10 -28)
 216: (0f) r2 += r9
 217: (61) r0 = *(u32 *)(r10 -4)
 218: (1f) r2 -= r0
 219: (07) r2 += 11
 220: (b7) r1 = 2
 221: (79) r3 = *(u64 *)(r10 -56)
 222: (85) call pc+61
 223: (72) *(u8 *)(r10 -7) = 1
 224: (05) goto pc+0
>225: (05) goto pc+19
; bounds: 5 bytes left, inside the window [pattern 6]
>226: (61) r1 = *(u32 *)(r10 -60)
 227: (61) r3 = *(u32 *)(r10 -28)
 228: (1f) r1 -= r3
 229: (c5) if r1 s< 0x5 goto pc+14
; confirm: match "unio" at +0 [pattern 6, byte 0]
 230: (61) r0 = *(u32 *)(r6 +0)
 231: (56) if w0 != 0x6f696e75 goto pc+12
; confirm: match "nion" at +1 [pattern 6, byte 1]
 232: (61) r0 = *(u32 *)(r6 +1)
 233: (56) if w0 != 0x6e6f696e goto pc+10
; report: found [pattern 6]
 234: (61) r2 = *(u32 *)(r10 -28)
 235: (0f) r2 += r9
 236: (61) r0 = *(u32 *)(r10 -4)
 237: (1f) r2 -= r0
 238: (07) r2 += 5
 239: (b7) r1 = 5
 240: (79) r3 = *(u64 *)(r10 -56)
 241: (85) call pc+42
 242: (72) *(u8 *)(r10 -7) = 1
 243: (05) goto pc+0
>244: (05) goto pc+0
; scan: no literal, or none of these: go on
>245: (61) r3 = *(u32 *)(r10 -28)
 246: (07) r3 += 1
 247: (05) goto pc-155
; scan: a part could not be searched
>248: (72) *(u8 *)(r10 -6) = 1
 249: (05) goto pc+0
; verdict: end of the search
>250: (71) r0 = *(u8 *)(r10 -7)
 251: (55) if r0 != 0x0 goto pc+5
 252: (71) r0 = *(u8 *)(r10 -6)
 253: (55) if r0 != 0x0 goto pc+21
 254: (71) r0 = *(u8 *)(r10 -5)
 255: (55) if r0 != 0x0 goto pc+19
 256: (05) goto pc+9
; verdict: matched: pass
>257: (79) r0 = *(u64 *)(r10 -56)
 258: (79) r1 = *(u64 *)(r0 +32)
 259: (07) r1 += 1
 260: (7b) *(u64 *)(r0 +32) = r1
 261: (79) r1 = *(u64 *)(r0 +48)
 262: (07) r1 += 1
 263: (7b) *(u64 *)(r0 +48) = r1
 264: (b7) r0 = 2
 265: (95) exit
; verdict: missed: pass
>266: (79) r0 = *(u64 *)(r10 -56)
 267: (79) r1 = *(u64 *)(r0 +40)
 268: (07) r1 += 1
 269: (7b) *(u64 *)(r0 +40) = r1
 270: (79) r1 = *(u64 *)(r0 +48)
 271: (07) r1 += 1
 272: (7b) *(u64 *)(r0 +48) = r1
 273: (b7) r0 = 2
 274: (95) exit
; verdict: unsearched: pass
>275: (79) r0 = *(u64 *)(r10 -56)
 276: (79) r1 = *(u64 *)(r0 +24)
 277: (07) r1 += 1
 278: (7b) *(u64 *)(r0 +24) = r1
 279: (79) r1 = *(u64 *)(r0 +48)
 280: (07) r1 += 1
 281: (7b) *(u64 *)(r0 +48) = r1
 282: (b7) r0 = 2
 283: (95) exit
; report: note a match: hits of the pattern, its end in this frame
.function note
>284: (63) *(u32 *)(r10 -4) = r1
 285: (7b) *(u64 *)(r10 -16) = r2
 286: (79) r3 = *(u64 *)(r3 +0)
 287: (7b) *(u64 *)(r10 -24) = r3
 288: (bf) r2 = r10
 289: (07) r2 += -4
 290: (18) r1 = map[hits]
 292: (85) call bpf_map_lookup_elem#1
 293: (15) if r0 == 0x0 goto pc+12
 294: (79) r1 = *(u64 *)(r10 -24)
 295: (79) r2 = *(u64 *)(r10 -16)
 296: (79) r3 = *(u64 *)(r0 +8)
 297: (5d) if r3 != r1 goto pc+3
 298: (79) r3 = *(u64 *)(r0 +16)
 299: (ad) if r2 < r3 goto pc+5
 300: (05) goto pc+5
>301: (7b) *(u64 *)(r0 +8) = r1
 302: (79) r3 = *(u64 *)(r0 +0)
 303: (07) r3 += 1
 304: (7b) *(u64 *)(r0 +0) = r3
>305: (7b) *(u64 *)(r0 +16) = r2
>306: (b7) r0 = 0
 307: (95) exit
