.program hardwire xdp frags
.map counters percpu_array key 4 value 128 entries 1
.map hits percpu_array key 4 value 24 entries 1
.map scratch percpu_array key 4 value 4360 entries 1
; entry: context
    r6 = r1
    *(u64 *)(r10 -40) = r6
; entry: frame length
    r1 = r6
    call bpf_xdp_get_buff_len#188
    r8 = r0
    *(u32 *)(r10 -20) = r8
; entry: counters of this CPU
    *(u32 *)(r10 -44) = 0
    r2 = r10
    r2 += -44
    r1 = map[counters]
    call bpf_map_lookup_elem#1
    if r0 != 0x0 goto L15
    r0 = 2
    exit
L15:
    *(u64 *)(r10 -56) = r0
    r1 = *(u64 *)(r0 +0)
    r1 += 1
    *(u64 *)(r0 +0) = r1
    r1 = *(u64 *)(r0 +8)
    r1 += r8
    *(u64 *)(r0 +8) = r1
    r2 = *(u32 *)(r6 +0)
    r3 = *(u32 *)(r6 +4)
    r7 = r3
    r7 -= r2
    r7 -= r7
; scope: scope: the whole frame
    r9 = 0
    r9 ^= r7
    *(u32 *)(r10 -4) = r9
    *(u32 *)(r10 -12) = r8
    *(u8 *)(r10 -5) = r7
    if r8 <= 0xffff goto L35
    *(u8 *)(r10 -5) = 1
    *(u32 *)(r10 -12) = 65535
; verdict: end of the search
L35:
    r0 = *(u8 *)(r10 -5)
    if r0 != 0x0 goto L47
    goto L38
; verdict: missed: pass
L38:
    r0 = *(u64 *)(r10 -56)
    r1 = *(u64 *)(r0 +40)
    r1 += 1
    *(u64 *)(r0 +40) = r1
    r1 = *(u64 *)(r0 +48)
    r1 += 1
    *(u64 *)(r0 +48) = r1
    r0 = 2
    exit
; verdict: unsearched: pass
L47:
    r0 = *(u64 *)(r10 -56)
    r1 = *(u64 *)(r0 +24)
    r1 += 1
    *(u64 *)(r0 +24) = r1
    r1 = *(u64 *)(r0 +48)
    r1 += 1
    *(u64 *)(r0 +48) = r1
    r0 = 2
    exit
