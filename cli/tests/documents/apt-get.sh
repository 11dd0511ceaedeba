#!/bin/sh -e
# Stands in for apt-get(8), which needs packages of an optimized build, on the machine of the documents: what is installed is
# laid out as the manifest of its package says, with the package's maintainer scripts. scripts/packages tries the packages.
cd /usr/src/hapolicy
records=/var/lib/packages-of-the-documents
mkdir -p "$records"

unknown() {
    echo "the test of the documents does not know: apt-get $*" >&2
    exit 64
}

script() {
    file=target/package/$1/maintainer/$2
    [ ! -x "$file" ] || DPKG_MAINTSCRIPT_PACKAGE=$1 DPKG_MAINTSCRIPT_NAME=$2 "$file" "$3" "$4"
}

install_package() {
    directory=$1
    [ "$1" != hapolicy ] || directory=cli
    packaging/files "$1" "/usr/src/test/$1"
    : >"target/package/$1/third-party.txt"
    sed -n 's/^    \["\([^"]*\)", "\([^"]*\)", "\([0-7]*\)"\],$/\1 \2 \3/p' "$directory/Cargo.toml" >"$records/$1.assets"
    : >"$records/$1.files"
    while read -r from to mode; do
        case $to in */) to=$to${from##*/} ;; esac
        case $from in target/release/*) from=/usr/src/test/$1 ;; *) from=$directory/$from ;; esac
        echo "/$to" >>"$records/$1.files"
        # A conffile stays as it is.
        case $to in etc/*) [ ! -e "/$to" ] || continue ;; esac
        # A link to another file of the package.
        case $to in usr/bin/policyd-client) ln -sf policy-client "/$to"; continue ;; esac
        install -D -m "$mode" "$from" "/$to"
    done <"$records/$1.assets"
    previous=
    [ ! -e "$records/$1" ] || previous=1:0.1.0-1
    : >"$records/$1"
    script "$1" postinst configure "$previous"
}

remove_package() {
    [ ! -e "$records/$1" ] || script "$1" prerm remove
    grep -v "$3" "$records/$1.files" | xargs rm -f
    script "$1" postrm "$2"
    rm -f "$records/$1"
}

[ "$2" = -y ] || unknown "$@"
command=$1
shift 2
for word in "$@"; do
    name=${word#./}
    name=${name%%_*}
    case $command in
        install) install_package "$name" ;;
        remove) remove_package "$name" remove '^/etc/' ;;
        purge)
            remove_package "$name" remove '^/etc/'
            remove_package "$name" purge '^$'
            ;;
        *) unknown "$command" "$@" ;;
    esac
done
