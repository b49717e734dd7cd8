// What a program sees of itself and around it, as text: two containers that are alike give the same, but for ids.

export const AUDIT = `
echo '# status'; grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp|Seccomp_filters|SigIgn|SigBlk|SigCgt|Umask)' /proc/self/status
echo '# limits'; cat /proc/self/limits
echo '# fds'; ls /proc/self/fd
echo '# env'; env | sed 's/^HOSTNAME=.*/HOSTNAME/' | sort
echo '# devices'; ls -la /dev | awk '{print $1, $3, $4, $5, $6, $10, $11, $12}' | sort; ls -l /dev/pts /dev/shm | sed 's/[A-Z][a-z][a-z]  *[0-9][0-9]*  *[0-9:][0-9:]*  *//'
echo '# mounts'; awk '{print $2, $3, $4}' /proc/self/mounts | sed 's/upperdir=[^,]*,workdir=[^,]*//'
echo '# groups'; sed 's/[0-9a-f]\\{64\\}/ID/' /proc/self/cgroup
echo '# place'; pwd; cut -d' ' -f5-7 /proc/1/stat; cat /proc/self/oom_score_adj
echo '# network'; ls /sys/class/net; cat /proc/sys/net/ipv4/ip_unprivileged_port_start
echo '# root'; ls /
echo '# limit'; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max 2>/dev/null
true`
