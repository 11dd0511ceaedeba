#!/bin/sh
# world.sh HOME COMMAND...: runs a command in a world of its own, as root. HOME is an empty directory.
#
# The world has a loopback interface and, behind the interface `near`, a far network 10.77.0.0/24 in
# which the process HAPOLICY_TEST_FAR lives; 10.77.0.3 swallows all packets. Names are looked up in a
# hosts file, and then at 127.0.0.53, where nobody answers unless the command does. /dev/log is where
# the command puts it: HOME/run/log.
set -e
if [ "${HAPOLICY_TEST_WORLD-}" != inside ]; then
    HAPOLICY_TEST_WORLD=inside exec unshare --mount --net -- "$0" "$@"
fi
home=$1
shift

ip link set lo up
unshare --net sleep 3600 &
HAPOLICY_TEST_FAR=$!
export HAPOLICY_TEST_FAR
trap 'kill "$HAPOLICY_TEST_FAR"' EXIT
far() { nsenter --net="/proc/$HAPOLICY_TEST_FAR/ns/net" -- "$@"; }
# It has its network as soon as it has become sleep(1).
until [ "$(cat "/proc/$HAPOLICY_TEST_FAR/comm")" = sleep ]; do sleep 0.01; done

ip link add near type veth peer name far netns "$HAPOLICY_TEST_FAR"
ip addr add 10.77.0.1/24 dev near
ip link set near up
far ip link set lo up
far ip link set far up
ip neigh replace 10.77.0.3 lladdr 02:00:00:00:00:99 dev near nud permanent

mkdir "$home/dev" "$home/run"
echo "127.0.0.1 localhost" >"$home/hosts"
for number in $(seq 10 99); do
    far ip addr add "10.77.0.$number/24" dev far
    # In this order a resolver leaves them.
    printf '%s two-%s.test\n' 10.77.0.3 "$number" "10.77.0.$number" "$number" >>"$home/hosts"
done
echo "nameserver 127.0.0.53" >"$home/resolv.conf"
mount --bind "$home/hosts" /etc/hosts
mount --bind "$home/resolv.conf" /etc/resolv.conf

mount -t tmpfs -o mode=755 hapolicy-test "$home/dev"
for device in null zero full random urandom tty; do
    : >"$home/dev/$device"
    mount --bind "/dev/$device" "$home/dev/$device"
done
ln -s /proc/self/fd "$home/dev/fd"
ln -s "$home/run/log" "$home/dev/log"
mount --move "$home/dev" /dev
chmod 755 "$home" "$home/run"

"$@"
