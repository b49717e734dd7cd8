#!/bin/busybox sh
# First process of the virtual machine: this host's files by 9p, read-only, with an empty disk where something is written.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in $(cat /modules/order); do insmod "/modules/$module" || echo "no module $module"; done
options=trans=virtio,version=9p2000.L,msize=262144,cache=loose
mount -t 9p -o "$options,ro" host /root || echo 'no host files'
mount -t tmpfs tmpfs /root/run
mkdir /disk
mount -t ext4 /dev/vda /disk || echo 'no disk'
for folder in tmp var/tmp var/lib home root srv; do
  mkdir -p -m 1777 "/disk/$folder"
  mount --bind "/disk/$folder" "/root/$folder"
done
mkdir -p "/root$SLIPWAY_REPO" /root/run/result /repo /disk/upper /disk/work
mount -t 9p -o "$options,ro" repo /repo
# Tests may write below build/.
mount -t overlay -o lowerdir=/repo,upperdir=/disk/upper,workdir=/disk/work overlay "/root$SLIPWAY_REPO"
mount -t 9p -o trans=virtio,version=9p2000.L,cache=none result /root/run/result
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo '+cpuset +cpu +io +memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t mqueue mqueue /dev/mqueue
ip link set lo up
for folder in proc sys dev; do mount --move "/$folder" "/root/$folder"; done
exec switch_root /root /bin/sh "$SLIPWAY_REPO/test/v2/guest-run.sh"
