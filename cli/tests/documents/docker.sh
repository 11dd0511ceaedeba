#!/bin/sh -e
# Stands in for docker(1), which needs a daemon and a registry, on the machine of the documents. An image is a
# directory with what its Dockerfile copies and the libraries of these programs, and nothing else: no /etc, no users,
# no /dev/log. A container is that in namespaces of its own. Only what the documents use is known here.
home=/var/lib/docker-of-the-documents

unknown() {
    echo "the test of the documents does not know: docker $*" >&2
    exit 64
}

# build --tag IMAGE DIRECTORY
build() {
    [ "$1" = --tag ] && [ $# -eq 3 ] || unknown build "$@"
    image=$home/images/$2 from=$3
    root=$image/root
    rm -rf "$image"
    mkdir -p "$root/dev" "$root/proc" "$root/run"
    echo 0:0 >"$image/user"
    while read -r word words; do
        case $word in
            FROM | "") ;;
            COPY)
                # All but the last one are copied into it.
                set -- $words
                while [ $# -gt 1 ]; do
                    install -D -t "$root/${words##* }" "$from/$1"
                    ldd "$from/$1" | grep -o '/[^ ]*' | xargs -I{} cp --parents --dereference {} "$root"
                    shift
                done
                ;;
            USER) echo "$words" >"$image/user" ;;
            # As a list: what is no list is a shell's, and there is no shell.
            ENTRYPOINT) echo "$words" | grep '^\[".*"\]$' | grep -o '"[^"]*"' | tr -d '"' >"$image/entrypoint" ;;
            *) unknown "$word" ;;
        esac
    done <"$from/Dockerfile"
}

# run --detach --name CONTAINER [--stop-timeout SECONDS] [--volume HERE:THERE] IMAGE ARGUMENT...
run() {
    timeout=10 volume=
    while :; do
        case $1 in
            --detach) shift ;;
            --name) container=$home/containers/$2; shift 2 ;;
            --stop-timeout) timeout=$2; shift 2 ;;
            --volume) volume=$2; shift 2 ;;
            -*) unknown run "$1" ;;
            *) break ;;
        esac
    done
    image=$home/images/$1
    shift
    mkdir -p "$home/containers"
    # Fails where there is one of this name.
    mkdir "$container"
    : >"$container/log"
    cp -a "$image/root" "$container/root"
    cp "$image/user" "$container/user"
    echo "$timeout" >"$container/timeout"
    # shellcheck disable=SC2046 # each is a word
    set -- $(cat "$image/entrypoint") "$@"
    setsid unshare --mount --pid --fork --kill-child --ipc --uts sh -ec '
        root=$1/root volume=$2 user=$(cat "$1/user")
        shift 2
        mount -t proc proc "$root/proc"
        for device in null zero urandom; do
            : >"$root/dev/$device"
            mount --bind "/dev/$device" "$root/dev/$device"
        done
        if [ -n "$volume" ]; then
            mkdir -p "$root/${volume#*:}"
            mount --bind "${volume%:*}" "$root/${volume#*:}"
        fi
        exec env -i PATH=/usr/local/bin:/usr/bin /usr/sbin/chroot --userspec="$user" --groups="${user#*:}" "$root" "$@"
    ' sh "$container" "$volume" "$@" </dev/null >"$container/log" 2>&1 &
    echo $! >"$container/process"
    # Docker takes longer to come back than this program to start. Without a log it says only that there is none.
    tries=0
    while ! grep -q -e "listening on" -e "no log" "$container/log" && kill -0 "$!" 2>/dev/null && [ "$tries" -lt 600 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
    basename "$container"
}

# Its first process, as it is called here; nothing where it has ended.
first() {
    process=$(cat "$1/process")
    cat "/proc/$process/task/$process/children" 2>/dev/null || true
}

command=$1
shift
case $command in
    build) build "$@" ;;
    run) run "$@" ;;
    exec)
        container=$home/containers/$1
        shift
        user=$(cat "$container/user")
        # shellcheck disable=SC2046 # a number
        exec nsenter --target $(first "$container") --mount --pid --root --setuid "${user%:*}" --setgid "${user#*:}" "$@"
        ;;
    logs) cat "$home/containers/$1/log" ;;
    stop)
        container=$home/containers/$1
        # shellcheck disable=SC2046 # a number
        kill -TERM $(first "$container")
        if ! timeout "$(cat "$container/timeout")" tail -f --pid="$(cat "$container/process")" /dev/null; then
            # shellcheck disable=SC2046 # a number
            kill -KILL $(first "$container")
        fi
        ;;
    rm)
        [ -z "$(first "$home/containers/$1")" ]
        rm -r "$home/containers/$1"
        ;;
    *) unknown "$command" "$@" ;;
esac
