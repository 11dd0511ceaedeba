#!/bin/sh
# machine.sh HOME REPOSITORY BINARIES: boots this Debian once more, as root, with systemd, in namespaces of its
# own. HOME is an empty directory. What is written there goes to memory and is lost at the end: all is an
# overlay. In it the repository is /usr/src/hapolicy, its build is BINARIES (see `cargo` below), docker is docker.sh, apt-get is apt-get.sh,
# and all that has been written is below /usr/src/written.
#
# The loopback interface has the addresses of the documents, 192.0.2.0/24. The network has nothing else.
set -e
home=$1 repository=$2 binaries=$3

mount -t tmpfs tmpfs "$home"
mkdir "$home/upper" "$home/work" "$home/root" "$home/source" "$home/source-work"
root=$home/root
mount -t overlay -o "lowerdir=/,upperdir=$home/upper,workdir=$home/work" overlay "$root"
mkdir -p "$root/usr/src/hapolicy" "$root/usr/src/test" "$root/usr/src/written"
mount -t overlay -o "lowerdir=$repository,upperdir=$home/source,workdir=$home/source-work" overlay \
    "$root/usr/src/hapolicy"
mount --bind "$binaries" "$root/usr/src/test"
mount --bind "$home/upper" "$root/usr/src/written"

mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"

ip link set lo up
ip addr add 192.0.2.5/24 dev lo
for host in 10 11 12; do ip addr add "192.0.2.$host/24" dev lo; done

# As on a fresh machine: nothing of hapolicy but the package's script, and a Postfix that nobody has set up.
rm -rf "$root/usr/local/sbin/hapolicy" "$root/usr/local/bin/policy-client" "$root"/etc/systemd/system/hapolicy.*
printf 'compatibility_level = 3.6\nmyhostname = mail.example.org\nmydestination = example.org\n' \
    >"$root/etc/postfix/main.cf"
# The build of the documents is the one under test.
cat >"$root/usr/local/bin/cargo" <<'CARGO'
#!/bin/sh -e
if [ "$*" != "build --release --locked -p hapolicy -p policy-client" ]; then
    echo "the test of the documents does not know: cargo $*" >&2
    exit 64
fi
mkdir -p target/release
cp /usr/src/test/hapolicy /usr/src/test/policy-client target/release/
CARGO
chmod 755 "$root/usr/local/bin/cargo"
# Its packages are laid out without a build of them.
install -m 755 "$repository/cli/tests/documents/apt-get.sh" "$root/usr/local/sbin/apt-get"
# A container of the documents needs no registry.
install -m 755 "$repository/cli/tests/documents/docker.sh" "$root/usr/local/bin/docker"

# Neither hardware nor the kernel is its own, and nothing is to be done at some time.
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-sysctl.service systemd-modules-load.service \
    systemd-remount-fs.service sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount \
    dev-hugepages.mount systemd-ask-password-console.path timers.target; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
ln -sf /lib/systemd/system/basic.target "$root/etc/systemd/system/default.target"
: >"$root/etc/machine-id"

# Units with a file system of their own need a root that is a mount, and not a chroot.
cd "$root"
mkdir old
pivot_root . old
exec chroot . sh -c 'umount -l /old && rmdir /old && exec env -i container=hapolicy-documents \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --log-target=journal --show-status=0'
