// What takes the running kernel's types and names: one program needs neither.
#include "bpf.h"

LICENSE("GPL");

struct task_struct {
	int pid;
	int tgid;
} __attribute__((preserve_access_index));

static u64 (*const bpf_get_current_task)(void) = (void *)35;
static long (*const bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
extern u64 bpf_get_unknown(u64 number) __attribute__((section(".ksyms")));
extern const int CONFIG_HZ __attribute__((section(".kconfig")));

SEC("tc")
int by_layout(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	int tgid = 0;

	bpf_probe_read_kernel(&tgid, sizeof(tgid), &task->tgid);
	return tgid;
}

SEC("xdp/kfunc")
int by_name(struct xdp_md *ctx)
{
	return bpf_get_unknown(ctx->ingress_ifindex);
}

SEC("xdp/plain")
int plain(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("kprobe/do_nothing")
int other_type(void *ctx)
{
	return 0;
}
