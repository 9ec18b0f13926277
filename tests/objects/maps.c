// Maps described by types, data of all kinds, and a function that two programs call.
#include "bpf.h"

LICENSE("Dual MIT/GPL");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, u64);
} counters SEC(".maps");

struct key {
	u32 source;
	u16 port;
	u16 pad;
};

static struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(key_size, sizeof(struct key));
	__uint(value_size, 8);
	__uint(max_entries, 128);
	__uint(map_flags, 1);
} seen SEC(".maps");

const volatile u32 port = 7000;
volatile u32 frames = 40;
volatile u64 bytes;
volatile u64 last;

static NOINLINE int count(u32 index)
{
	u64 *counter = bpf_map_lookup_elem(&counters, &index);

	if (!counter)
		return 0;
	*counter += 1;
	return *counter;
}

SEC("xdp")
int by_port(struct xdp_md *ctx)
{
	u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct key key = {};

	frames++;
	bytes += end - data;
	if (data + 38 > end)
		return XDP_PASS;
	key.port = data[36] << 8 | data[37];
	bpf_map_update_elem(&seen, &key, &(u64){ 1 }, 0);
	if (key.port != port)
		return XDP_PASS;
	count(1);
	return XDP_DROP;
}

SEC("xdp.frags")
int all(struct xdp_md *ctx)
{
	count(2);
	last = ctx->data_end - ctx->data;
	return XDP_PASS;
}
