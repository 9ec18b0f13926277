// Functions that call functions, one whose address is taken, and two programs in one section.
#include "bpf.h"

LICENSE("GPL");

NOINLINE u32 global_function(u32 number)
{
	return number * 3 + bpf_get_smp_processor_id();
}

static NOINLINE u32 inner(u32 number)
{
	return global_function(number) ^ 5;
}

static long each(u32 index, void *context)
{
	*(u64 *)context += inner(index);
	return 0;
}

SEC("xdp")
int first(struct xdp_md *ctx)
{
	u64 sum = 0;

	bpf_loop(10, each, &sum, 0);
	return sum & 1 ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int second(struct xdp_md *ctx)
{
	return inner(ctx->ingress_ifindex) == 7 ? XDP_DROP : XDP_PASS;
}
