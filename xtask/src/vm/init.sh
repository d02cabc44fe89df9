#!/bin/busybox sh
# The first process of the guest: sets up what the tests expect, runs them, says how each went.
/bin/busybox --install -s /bin
export PATH=/bin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp

# The names begin with a number: their order is that of their needs.
for module in /modules/*.ko; do
    options=
    case "$module" in
    # The tests make their devices themselves, each with its own properties.
    *-null_blk.ko) options="nr_devices=0" ;;
    *-scsi_debug.ko) options="add_host=0 dev_size_mb=64 delay=0 submit_queues=2" ;;
    esac
    insmod "$module" $options || { echo "IOTRUTH-GUEST cannot load $module"; poweroff -f; }
done

mount -t configfs configfs /sys/kernel/config
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up

# From here on only a crash of the kernel may write between the lines of the tests.
dmesg -n 1
# The firmware has left its last line open.
echo
echo "IOTRUTH-GUEST release $(uname -r), $TRANSPORT"
while read -r scenario; do
    echo "IOTRUTH-GUEST begin $scenario"
    dmesg -c >/dev/null
    # One that hangs must not keep the others from running.
    IOTRUTH_BIN=/iotruth timeout -s KILL 600 /guest "$scenario::" --test-threads=1 --nocapture
    code=$?
    if [ "$code" != 0 ]; then
        echo "the kernel's last messages:"
        dmesg | tail -n 40
    fi
    echo
    echo "IOTRUTH-GUEST end $scenario exit=$code"
done </scenarios
poweroff -f
