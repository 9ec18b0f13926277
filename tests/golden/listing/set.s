.program hardwire xdp frags
.map counters percpu_array key 4 value 88 entries 1
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
  31: (15) if r0 == 0x0 goto pc+239
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
  43: (55) if r0 != 0x0 goto pc+227
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
  65: (05) goto pc+25
; scan: next window
> 66: (b7) r0 = 0
  67: (b7) r1 = 0
  68: (b7) r2 = 0
  69: (b7) r3 = 0
  70: (b7) r4 = 0
  71: (b7) r5 = 0
  72: (b7) r6 = 0
  73: (e5) may_goto pc+170
  74: (63) *(u32 *)(r10 -28) = r9
  75: (61) r9 = *(u32 *)(r10 -28)
  76: (61) r4 = *(u32 *)(r10 -12)
  77: (1f) r4 -= r9
  78: (c5) if r4 s< 0x4 goto pc+167
  79: (25) if r9 > 0xffff goto pc+164
  80: (b5) if r4 <= 0x100a goto pc+1
  81: (b7) r4 = 4106
> 82: (63) *(u32 *)(r10 -60) = r4
  83: (79) r1 = *(u64 *)(r10 -40)
  84: (bf) r2 = r9
  85: (79) r3 = *(u64 *)(r10 -72)
  86: (85) call bpf_xdp_load_bytes#189
  87: (55) if r0 != 0x0 goto pc+156
  88: (61) r3 = *(u32 *)(r10 -20)
  89: (61) r0 = *(u32 *)(r10 -20)
  90: (1f) r3 -= r0
; scan: 8 positions: may a literal begin here?
> 91: (b7) r0 = 0
  92: (b7) r1 = 0
  93: (b7) r2 = 0
  94: (b7) r4 = 0
  95: (b7) r5 = 0
  96: (b7) r6 = 0
  97: (e5) may_goto pc+146
  98: (63) *(u32 *)(r10 -28) = r3
  99: (61) r3 = *(u32 *)(r10 -28)
 100: (25) if r3 > 0xff8 goto pc+6
 101: (61) r0 = *(u32 *)(r10 -60)
 102: (1f) r0 -= r3
 103: (c5) if r0 s< 0x4 goto pc+142
 104: (79) r6 = *(u64 *)(r10 -72)
 105: (0f) r6 += r3
 106: (05) goto pc+2
; scan: this window is finished
>107: (0f) r9 += r3
 108: (05) goto pc-43
; scan: a literal may begin here
>109: (05) goto pc+0
>110: (63) *(u32 *)(r10 -28) = r3
 111: (61) r3 = *(u32 *)(r10 -28)
 112: (25) if r3 > 0x1000 goto pc+131
 113: (79) r6 = *(u64 *)(r10 -72)
 114: (0f) r6 += r3
 115: (61) r0 = *(u32 *)(r6 +0)
; scan: tree of grams
 116: (36) if w0 >= 0x54534f50 goto pc+4
 117: (16) if w0 == 0x20544547 goto pc+7
 118: (16) if w0 == 0x2e646d63 goto pc+25
 119: (16) if w0 == 0x454c4553 goto pc+43
 120: (05) goto pc+120
>121: (16) if w0 == 0x54534f50 goto pc+60
 122: (16) if w0 == 0x6374652f goto pc+76
 123: (16) if w0 == 0x6f696e75 goto pc+98
 124: (05) goto pc+116
; bounds: 5 bytes left, inside the window [pattern 1]
>125: (61) r1 = *(u32 *)(r10 -60)
 126: (61) r3 = *(u32 *)(r10 -28)
 127: (1f) r1 -= r3
 128: (c5) if r1 s< 0x5 goto pc+14
; confirm: match "GET " at +0 [pattern 1, byte 0]
 129: (61) r0 = *(u32 *)(r6 +0)
 130: (56) if w0 != 0x20544547 goto pc+12
; confirm: match "ET /" at +1 [pattern 1, byte 1]
 131: (61) r0 = *(u32 *)(r6 +1)
 132: (56) if w0 != 0x2f205445 goto pc+10
; report: found [pattern 1]
 133: (61) r2 = *(u32 *)(r10 -28)
 134: (0f) r2 += r9
 135: (61) r0 = *(u32 *)(r10 -4)
 136: (1f) r2 -= r0
 137: (07) r2 += 5
 138: (b7) r1 = 0
 139: (79) r3 = *(u64 *)(r10 -56)
 140: (85) call pc+139
 141: (72) *(u8 *)(r10 -7) = 1
 142: (05) goto pc+0
>143: (05) goto pc+97
; bounds: 7 bytes left, inside the window [pattern 4]
>144: (61) r1 = *(u32 *)(r10 -60)
 145: (61) r3 = *(u32 *)(r10 -28)
 146: (1f) r1 -= r3
 147: (c5) if r1 s< 0x7 goto pc+14
; confirm: match "cmd." at +0 [pattern 4, byte 0]
 148: (61) r0 = *(u32 *)(r6 +0)
 149: (56) if w0 != 0x2e646d63 goto pc+12
; confirm: match ".exe" at +3 [pattern 4, byte 3]
 150: (61) r0 = *(u32 *)(r6 +3)
 151: (56) if w0 != 0x6578652e goto pc+10
; report: found [pattern 4]
 152: (61) r2 = *(u32 *)(r10 -28)
 153: (0f) r2 += r9
 154: (61) r0 = *(u32 *)(r10 -4)
 155: (1f) r2 -= r0
 156: (07) r2 += 7
 157: (b7) r1 = 3
 158: (79) r3 = *(u64 *)(r10 -56)
 159: (85) call pc+120
 160: (72) *(u8 *)(r10 -7) = 1
 161: (05) goto pc+0
>162: (05) goto pc+78
; bounds: 6 bytes left, inside the window [pattern 5]
>163: (61) r1 = *(u32 *)(r10 -60)
 164: (61) r3 = *(u32 *)(r10 -28)
 165: (1f) r1 -= r3
 166: (c5) if r1 s< 0x6 goto pc+14
; confirm: match "SELE" at +0 [pattern 5, byte 0]
 167: (61) r0 = *(u32 *)(r6 +0)
 168: (56) if w0 != 0x454c4553 goto pc+12
; confirm: match "LECT" at +2 [pattern 5, byte 2]
 169: (61) r0 = *(u32 *)(r6 +2)
 170: (56) if w0 != 0x5443454c goto pc+10
; report: found [pattern 5]
 171: (61) r2 = *(u32 *)(r10 -28)
 172: (0f) r2 += r9
 173: (61) r0 = *(u32 *)(r10 -4)
 174: (1f) r2 -= r0
 175: (07) r2 += 6
 176: (b7) r1 = 4
 177: (79) r3 = *(u64 *)(r10 -56)
 178: (85) call pc+101
 179: (72) *(u8 *)(r10 -7) = 1
 180: (05) goto pc+0
>181: (05) goto pc+59
; bounds: 4 bytes left, inside the window [pattern 2]
>182: (61) r1 = *(u32 *)(r10 -60)
 183: (61) r3 = *(u32 *)(r10 -28)
 184: (1f) r1 -= r3
 185: (c5) if r1 s< 0x4 goto pc+12
; confirm: match "POST" at +0 [pattern 2, byte 0]
 186: (61) r0 = *(u32 *)(r6 +0)
 187: (56) if w0 != 0x54534f50 goto pc+10
; report: found [pattern 2]
 188: (61) r2 = *(u32 *)(r10 -28)
 189: (0f) r2 += r9
 190: (61) r0 = *(u32 *)(r10 -4)
 191: (1f) r2 -= r0
 192: (07) r2 += 4
 193: (b7) r1 = 1
 194: (79) r3 = *(u64 *)(r10 -56)
 195: (85) call pc+84
 196: (72) *(u8 *)(r10 -7) = 1
 197: (05) goto pc+0
>198: (05) goto pc+42
; bounds: 11 bytes left, inside the window [pattern 3]
>199: (61) r1 = *(u32 *)(r10 -60)
 200: (61) r3 = *(u32 *)(r10 -28)
 201: (1f) r1 -= r3
 202: (c5) if r1 s< 0xb goto pc+18
; confirm: match "/etc/pas" at +0 [pattern 3, byte 0]
 203: (79) r0 = *(u64 *)(r6 +0)
 204: (18) r1 = 0x7361702f6374652f
 206: (5d) if r0 != r1 goto pc+14
; confirm: match "c/passwd" at +3 [pattern 3, byte 3]
 207: (79) r0 = *(u64 *)(r6 +3)
 208: (18) r1 = 0x6477737361702f63
 210: (5d) if r0 != r1 goto pc+10
; report: found [pattern 3]
 211: (61) r2 = *(u32 *)(r10 -28)
 212: (0f) r2 += r9
 213: (61) r0 = *(u32 *)(r10 -4)
 214: (1f) r2 -= r0
 215: (07) r2 += 11
 216: (b7) r1 = 2
 217: (79) r3 = *(u64 *)(r10 -56)
 218: (85) call pc+61
 219: (72) *(u8 *)(r10 -7) = 1
 220: (05) goto pc+0
>221: (05) goto pc+19
; bounds: 5 bytes left, inside the window [pattern 6]
>222: (61) r1 = *(u32 *)(r10 -60)
 223: (61) r3 = *(u32 *)(r10 -28)
 224: (1f) r1 -= r3
 225: (c5) if r1 s< 0x5 goto pc+14
; confirm: match "unio" at +0 [pattern 6, byte 0]
 226: (61) r0 = *(u32 *)(r6 +0)
 227: (56) if w0 != 0x6f696e75 goto pc+12
; confirm: match "nion" at +1 [pattern 6, byte 1]
 228: (61) r0 = *(u32 *)(r6 +1)
 229: (56) if w0 != 0x6e6f696e goto pc+10
; report: found [pattern 6]
 230: (61) r2 = *(u32 *)(r10 -28)
 231: (0f) r2 += r9
 232: (61) r0 = *(u32 *)(r10 -4)
 233: (1f) r2 -= r0
 234: (07) r2 += 5
 235: (b7) r1 = 5
 236: (79) r3 = *(u64 *)(r10 -56)
 237: (85) call pc+42
 238: (72) *(u8 *)(r10 -7) = 1
 239: (05) goto pc+0
>240: (05) goto pc+0
; scan: no literal, or none of these: go on
>241: (61) r3 = *(u32 *)(r10 -28)
 242: (07) r3 += 1
 243: (05) goto pc-153
; scan: a part could not be searched
>244: (72) *(u8 *)(r10 -6) = 1
 245: (05) goto pc+0
; verdict: end of the search
>246: (71) r0 = *(u8 *)(r10 -7)
 247: (55) if r0 != 0x0 goto pc+5
 248: (71) r0 = *(u8 *)(r10 -6)
 249: (55) if r0 != 0x0 goto pc+21
 250: (71) r0 = *(u8 *)(r10 -5)
 251: (55) if r0 != 0x0 goto pc+19
 252: (05) goto pc+9
; verdict: matched: pass
>253: (79) r0 = *(u64 *)(r10 -56)
 254: (79) r1 = *(u64 *)(r0 +32)
 255: (07) r1 += 1
 256: (7b) *(u64 *)(r0 +32) = r1
 257: (79) r1 = *(u64 *)(r0 +48)
 258: (07) r1 += 1
 259: (7b) *(u64 *)(r0 +48) = r1
 260: (b7) r0 = 2
 261: (95) exit
; verdict: missed: pass
>262: (79) r0 = *(u64 *)(r10 -56)
 263: (79) r1 = *(u64 *)(r0 +40)
 264: (07) r1 += 1
 265: (7b) *(u64 *)(r0 +40) = r1
 266: (79) r1 = *(u64 *)(r0 +48)
 267: (07) r1 += 1
 268: (7b) *(u64 *)(r0 +48) = r1
 269: (b7) r0 = 2
 270: (95) exit
; verdict: unsearched: pass
>271: (79) r0 = *(u64 *)(r10 -56)
 272: (79) r1 = *(u64 *)(r0 +24)
 273: (07) r1 += 1
 274: (7b) *(u64 *)(r0 +24) = r1
 275: (79) r1 = *(u64 *)(r0 +48)
 276: (07) r1 += 1
 277: (7b) *(u64 *)(r0 +48) = r1
 278: (b7) r0 = 2
 279: (95) exit
; report: note a match: hits of the pattern, its end in this frame
.function note
>280: (63) *(u32 *)(r10 -4) = r1
 281: (7b) *(u64 *)(r10 -16) = r2
 282: (79) r3 = *(u64 *)(r3 +0)
 283: (7b) *(u64 *)(r10 -24) = r3
 284: (bf) r2 = r10
 285: (07) r2 += -4
 286: (18) r1 = map[hits]
 288: (85) call bpf_map_lookup_elem#1
 289: (15) if r0 == 0x0 goto pc+12
 290: (79) r1 = *(u64 *)(r10 -24)
 291: (79) r2 = *(u64 *)(r10 -16)
 292: (79) r3 = *(u64 *)(r0 +8)
 293: (5d) if r3 != r1 goto pc+3
 294: (79) r3 = *(u64 *)(r0 +16)
 295: (ad) if r2 < r3 goto pc+5
 296: (05) goto pc+5
>297: (7b) *(u64 *)(r0 +8) = r1
 298: (79) r3 = *(u64 *)(r0 +0)
 299: (07) r3 += 1
 300: (7b) *(u64 *)(r0 +0) = r3
>301: (7b) *(u64 *)(r0 +16) = r2
>302: (b7) r0 = 0
 303: (95) exit
