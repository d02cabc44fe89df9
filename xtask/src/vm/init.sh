#!/bin/busybox sh
# The first process of the guest: sets up what the tests expect, runs them, says how it went.
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
echo "IOTRUTH-GUEST begin"
IOTRUTH_BIN=/iotruth /guest --test-threads=1 --nocapture
code=$?
if [ "$code" != 0 ]; then
    echo "the kernel's last messages:"
    dmesg | tail -n 30
fi
echo
echo "IOTRUTH-GUEST exit=$code"
poweroff -f
