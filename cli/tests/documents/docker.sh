#!/bin/sh -e
# Stands in for docker(1), which needs a daemon and a registry, on the machine of the documents. An image is a
# directory with what its Dockerfile copies and the libraries of these programs, and nothing else: no users, no /dev/log, of
# /etc what Docker puts there. A container is that in namespaces of its own. Only what the documents use is known here.
home=/var/lib/docker-of-the-documents

unknown() {
    echo "the test of the documents does not know: docker $*" >&2
    exit 64
}

# The instructions of a stage of a file, with those of the stages that it is from; without a name, of the last one.
stage() {
    awk -v wanted="$2" '
        /^FROM / { name = $4; from[name] = $2; next }
        /^[A-Z]+ / { text[name] = text[name] $0 "\n" }
        END {
            if (wanted == "") wanted = name
            for (stage = wanted; stage in from; stage = from[stage]) all = text[stage] all
            printf "%s", all
        }' "$1"
}

# build [--file FILE --build-arg PROGRAM=STAGE] --tag IMAGE DIRECTORY
build() {
    file=Dockerfile program=
    if [ "$1" = --file ]; then
        case $4 in PROGRAM=*) file=$2 program=${4#*=} ;; *) unknown build "$@" ;; esac
        shift 4
    fi
    [ "$1" = --tag ] && [ $# -eq 3 ] || unknown build "$@"
    image=$home/images/$2 from=$3
    root=$image/root
    rm -rf "$image"
    mkdir -p "$root/dev" "$root/proc" "$root/run"
    echo 0:0 >"$image/user"
    : >"$image/command"
    stage "$from/$file" "$program" | sed "s/\${PROGRAM}/$program/g" >"$image/stage"
    while read -r word words; do
        case $word in
            ARG) ;;
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
            ENTRYPOINT) list "$words" >"$image/entrypoint" ;;
            CMD) list "$words" >"$image/command" ;;
            *) unknown "$word" ;;
        esac
    done <"$image/stage"
}

list() { echo "$1" | grep '^\[".*"\]$' | grep -o '"[^"]*"' | tr -d '"'; }

# run --detach --name CONTAINER [--stop-timeout SECONDS] [--volume HERE:THERE[:ro]]... IMAGE ARGUMENT...
run() {
    timeout=10 volumes=
    while :; do
        case $1 in
            --detach) shift ;;
            --name) container=$home/containers/$2; shift 2 ;;
            --stop-timeout) timeout=$2; shift 2 ;;
            --volume) volumes="$volumes $2"; shift 2 ;;
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
    install -D -m 0644 -t "$container/root/etc" /etc/resolv.conf
    cp "$image/user" "$container/user"
    echo "$timeout" >"$container/timeout"
    # shellcheck disable=SC2046 # each is a word
    [ $# -gt 0 ] || set -- $(cat "$image/command")
    # shellcheck disable=SC2046
    set -- $(cat "$image/entrypoint") "$@"
    setsid unshare --mount --pid --fork --kill-child --ipc --uts sh -ec '
        root=$1/root volumes=$2 user=$(cat "$1/user")
        shift 2
        mount -t proc proc "$root/proc"
        for device in null zero urandom; do
            : >"$root/dev/$device"
            mount --bind "/dev/$device" "$root/dev/$device"
        done
        for volume in $volumes; do
            there=${volume#*:}
            mkdir -p "$root/${there%:ro}"
            mount --bind "${volume%%:*}" "$root/${there%:ro}"
            [ "$there" = "${there%:ro}" ] || mount -o remount,bind,ro "$root/${there%:ro}"
        done
        exec env -i PATH=/usr/local/bin:/usr/bin /usr/sbin/chroot --userspec="$user" --groups="${user#*:}" "$root" "$@"
    ' sh "$container" "$volumes" "$@" </dev/null >"$container/log" 2>&1 &
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

stop() {
    # shellcheck disable=SC2046 # a number
    kill -TERM $(first "$1")
    if ! timeout "$(cat "$1/timeout")" tail -f --pid="$(cat "$1/process")" /dev/null; then
        # shellcheck disable=SC2046 # a number
        kill -KILL $(first "$1")
    fi
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
    stop) for name in "$@"; do stop "$home/containers/$name"; done ;;
    rm)
        for name in "$@"; do
            [ -z "$(first "$home/containers/$name")" ]
            rm -r "$home/containers/$name"
        done
        ;;
    *) unknown "$command" "$@" ;;
esac
