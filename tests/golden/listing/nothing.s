.program hardwire xdp frags
.map counters percpu_array key 4 value 88 entries 1
.map hits percpu_array key 4 value 24 entries 1
.map scratch percpu_array key 4 value 4360 entries 1
; entry: context
   0: (bf) r6 = r1
   1: (7b) *(u64 *)(r10 -112) = r6
; entry: counters of this CPU
   2: (62) *(u32 *)(r10 -52) = 0
   3: (bf) r2 = r10
   4: (07) r2 += -52
   5: (18) r1 = map[counters]
   7: (85) call bpf_map_lookup_elem#1
   8: (55) if r0 != 0x0 goto pc+2
   9: (b7) r0 = 2
  10: (95) exit
> 11: (7b) *(u64 *)(r10 -120) = r0
  12: (79) r1 = *(u64 *)(r0 +0)
  13: (07) r1 += 1
  14: (7b) *(u64 *)(r0 +0) = r1
; entry: frame length
  15: (bf) r1 = r6
  16: (85) call bpf_xdp_get_buff_len#188
  17: (bf) r8 = r0
  18: (63) *(u32 *)(r10 -20) = r8
  19: (79) r0 = *(u64 *)(r10 -120)
  20: (79) r1 = *(u64 *)(r0 +8)
  21: (0f) r1 += r8
  22: (7b) *(u64 *)(r0 +8) = r1
  23: (61) r2 = *(u32 *)(r6 +0)
  24: (61) r3 = *(u32 *)(r6 +4)
  25: (bf) r7 = r3
  26: (1f) r7 -= r2
  27: (1f) r7 -= r7
; scope: scope: the whole frame
  28: (b7) r9 = 0
  29: (af) r9 ^= r7
  30: (63) *(u32 *)(r10 -4) = r9
  31: (63) *(u32 *)(r10 -12) = r8
  32: (63) *(u32 *)(r10 -92) = r7
  33: (b5) if r8 <= 0xffff goto pc+2
  34: (62) *(u32 *)(r10 -92) = 1
  35: (62) *(u32 *)(r10 -12) = 65535
; verdict: end of the search
> 36: (61) r0 = *(u32 *)(r10 -92)
  37: (55) if r0 != 0x0 goto pc+10
  38: (05) goto pc+0
; verdict: missed: pass
> 39: (79) r0 = *(u64 *)(r10 -120)
  40: (79) r1 = *(u64 *)(r0 +40)
  41: (07) r1 += 1
  42: (7b) *(u64 *)(r0 +40) = r1
  43: (79) r1 = *(u64 *)(r0 +48)
  44: (07) r1 += 1
  45: (7b) *(u64 *)(r0 +48) = r1
  46: (b7) r0 = 2
  47: (95) exit
; verdict: unsearched: pass
> 48: (79) r0 = *(u64 *)(r10 -120)
  49: (79) r1 = *(u64 *)(r0 +24)
  50: (07) r1 += 1
  51: (7b) *(u64 *)(r0 +24) = r1
  52: (79) r1 = *(u64 *)(r0 +48)
  53: (07) r1 += 1
  54: (7b) *(u64 *)(r0 +48) = r1
  55: (b7) r0 = 2
  56: (95) exit
