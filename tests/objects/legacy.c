// Maps as before libbpf 1.0, and packet access as before eBPF.
#include "bpf.h"

LICENSE("GPL");

struct {
	u32 type;
	u32 key_size;
	u32 value_size;
	u32 max_entries;
	u32 map_flags;
} protocols SEC("maps") = { BPF_MAP_TYPE_ARRAY, 4, 8, 256, 0 };

u64 load_byte(void *skb, u64 offset) asm("llvm.bpf.load.byte");

SEC("socket")
int protocol(void *skb)
{
	u32 index = load_byte(skb, 23);
	u64 *count = bpf_map_lookup_elem(&protocols, &index);

	if (count)
		__sync_fetch_and_add(count, 1);
	return 0xffff;
}
