.program hardwire xdp frags
.map counters percpu_array key 4 value 128 entries 1
.map hits percpu_array key 4 value 24 entries 1
.map scratch percpu_array key 4 value 4360 entries 1
; entry: context
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
; verdict: end of the search
> 35: (71) r0 = *(u8 *)(r10 -5)
  36: (55) if r0 != 0x0 goto pc+10
  37: (05) goto pc+0
; verdict: missed: pass
> 38: (79) r0 = *(u64 *)(r10 -56)
  39: (79) r1 = *(u64 *)(r0 +40)
  40: (07) r1 += 1
  41: (7b) *(u64 *)(r0 +40) = r1
  42: (79) r1 = *(u64 *)(r0 +48)
  43: (07) r1 += 1
  44: (7b) *(u64 *)(r0 +48) = r1
  45: (b7) r0 = 2
  46: (95) exit
; verdict: unsearched: pass
> 47: (79) r0 = *(u64 *)(r10 -56)
  48: (79) r1 = *(u64 *)(r0 +24)
  49: (07) r1 += 1
  50: (7b) *(u64 *)(r0 +24) = r1
  51: (79) r1 = *(u64 *)(r0 +48)
  52: (07) r1 += 1
  53: (7b) *(u64 *)(r0 +48) = r1
  54: (b7) r0 = 2
  55: (95) exit
