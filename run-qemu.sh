#!/usr/bin/env bash
# Boots a gopark kernel in QEMU, and is cargo's runner. `run-qemu.sh --help` says how it is used.
#
# The kernel's own exit code leaves QEMU through the isa-debug-exit device: a guest that writes v makes QEMU exit with
# 2v + 1. Only 33 (v = 16) is success; so a machine that resets itself, which QEMU ends with 0, counts as failed.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P) || exit 1
target=x86_64-unknown-linux-gnu
built=$here/target/loader

help() {
    cat <<'HELP'
Boots a gopark kernel in QEMU.

  run-qemu.sh [SETTING...] KERNEL [WORD...]   boot KERNEL ('' boots the loader alone);
                                              WORDs go on its command line
  run-qemu.sh --runner PROGRAM [ARGUMENT...]  cargo's runner: boots a kernel, and
                                              executes any other program as it is
  run-qemu.sh --loader                        build the loader, print its path
  run-qemu.sh --help

SETTING          in the environment
--cores N        GOPARK_SMP        number of cores (4)
--memory SIZE    GOPARK_MEM        memory: 256M, 2G, ... (1G)
--machine TYPE   GOPARK_MACHINE    q35, pc or microvm (q35)
--accel KIND     GOPARK_ACCEL      kvm, tcg, or auto: KVM where the CPU really has it,
                                   which one trial boot must prove; else TCG (auto)
--append TEXT    GOPARK_APPEND     kernel command line, for instance
                                   'gomaxprocs=2 schedtrace=1000'
--console MODE   GOPARK_CONSOLE    interactive or none: whether the kernel is told that
                                   somebody sits at its serial line, or auto: if
                                   standard input is a terminal (auto)
--timeout SEC    GOPARK_TIMEOUT    end the machine after that time; 0 is never
                                   (0 at a terminal or with --gdb, else 300)
--icount SPEC    GOPARK_ICOUNT     count instructions instead of time: 'on', which is
                                   shift=0,sleep=off, or as QEMU's -icount has it
--gdb PORT       GOPARK_GDB        wait for gdb on this TCP port of localhost
--qemu-arg ARG   GOPARK_QEMU_ARGS  one more word for QEMU; several are given one by
                                   one, or separated by spaces in the environment
                 GOPARK_QEMU       the QEMU to use (qemu-system-x86_64)
                 GOPARK_LOADER     a loader to use as it is, instead of the one
                                   in boot/, which is built when needed

The kernel's serial line is standard input and output. At a terminal, Ctrl-C goes
to the kernel; Ctrl-A X ends QEMU, Ctrl-A Ctrl-A types a Ctrl-A.

Exit code: 0 if the kernel said success, and nothing else is; 1 to 63 if the
program said so; 2 panic, deadlock, fatal error, CPU exception, stuck core or no
memory; 3 the loader could not start the kernel; 4 QEMU ended without a word from the
kernel; 64 wrong usage; 69 something is missing; 124 time limit; 128 + N signal N.
HELP
}

say() { printf 'run-qemu.sh: %s\n' "$*" >&2; }
# fail STATUS WORDS: one line, and out.
fail() {
    local status=$1
    shift
    say "$@"
    exit "$status"
}
wrong() { fail 64 "$* (see run-qemu.sh --help)"; }
have() { command -v "$1" >/dev/null 2>&1; }

# locked NAME COMMAND...: one at a time, for all who use this repository. Without flock, whoever comes second may fail.
locked() {
    local file=$built/$1.lock
    shift
    mkdir -p "$built" || fail 69 "cannot make $built"
    if ! have flock; then
        "$@"
        return
    fi
    (
        flock -w 900 9 || fail 69 "waited 15 minutes for another run-qemu.sh: $file"
        "$@" 9>&-
    ) 9>"$file"
}

# --- Settings -----------------------------------------------------------------------------------

cores=${GOPARK_SMP:-4} memory=${GOPARK_MEM:-1G} machine=${GOPARK_MACHINE:-q35} accel=${GOPARK_ACCEL:-auto}
append=${GOPARK_APPEND:-} console=${GOPARK_CONSOLE:-auto} limit=${GOPARK_TIMEOUT:-} icount=${GOPARK_ICOUNT:-}
gdb=${GOPARK_GDB:-} qemu=${GOPARK_QEMU:-qemu-system-x86_64} loader=${GOPARK_LOADER:-}
read -r -a extra <<<"${GOPARK_QEMU_ARGS:-}"

# Reads the settings; what follows them is left in `rest`.
settings() {
    while (($# > 0)); do
        case $1 in
        --help | -h) help && exit ;;
        --) shift && break ;;
        --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
        --cores | --memory | --machine | --accel | --append | --console | --timeout | --icount | --gdb | --qemu-arg)
            (($# > 1)) || wrong "$1 needs a value"
            setting "$1" "$2"
            shift 2
            ;;
        -?*) wrong "there is no setting $1" ;;
        *) break ;;
        esac
    done
    rest=("$@")
}

setting() {
    case $1 in
    --cores) cores=$2 ;;
    --memory) memory=$2 ;;
    --machine) machine=$2 ;;
    --accel) accel=$2 ;;
    --append) append+=${append:+ }$2 ;;
    --console) console=$2 ;;
    --timeout) limit=$2 ;;
    --icount) icount=$2 ;;
    --gdb) gdb=$2 ;;
    --qemu-arg) extra+=("$2") ;;
    esac
}

# number WHAT VALUE LEAST MOST
number() {
    [[ $2 =~ ^(0|[1-9][0-9]{0,8})$ ]] && (($2 >= $3 && $2 <= $4)) || wrong "$1 is a number from $3 to $4, not '$2'"
}

# Checks the settings, and fills in what depends on others.
check() {
    number --cores "$cores" 1 255
    [[ $memory =~ ^[1-9][0-9]*[MG]$ ]] || wrong "--memory is a number with M or G behind it, not '$memory'"
    [[ ${machine%%,*} =~ ^(q35|pc|microvm)$ ]] || wrong "--machine is q35, pc or microvm, not '$machine'"
    [[ $accel =~ ^(auto|kvm|tcg)$ ]] || wrong "--accel is auto, kvm or tcg, not '$accel'"
    [[ $console =~ ^(auto|interactive|none)$ ]] || wrong "--console is auto, interactive or none, not '$console'"
    [ -z "$gdb" ] || number --gdb "$gdb" 1 65535
    case $icount in
    '' | off) icount='' ;;
    on) icount=shift=0,sleep=off ;;
    shift=*) ;;
    *) wrong "--icount is 'on', or as QEMU's -icount has it: shift=N,... ; not '$icount'" ;;
    esac
    [ -z "$icount" ] || [ "$accel" != kvm ] || wrong "--icount counts TCG's instructions: it cannot be had with --accel kvm"
    terminal=false
    [ ! -t 0 ] || terminal=true
    if [ -z "$limit" ]; then
        limit=300
        if $terminal || [ -n "$gdb" ] || ! have timeout; then limit=0; fi
    fi
    number --timeout "$limit" 0 999999999
    ((limit == 0)) || have timeout || fail 69 "--timeout needs the program 'timeout' of the GNU coreutils"
}

# --- QEMU ---------------------------------------------------------------------------------------

# Installs QEMU through the package manager if that needs no password; otherwise says how.
need_qemu() {
    have "$qemu" || locked install install_qemu || exit 69
    have "$qemu" || fail 69 "QEMU was installed, but there is still no $qemu"
}

install_qemu() {
    have "$qemu" && return
    [ "$qemu" = qemu-system-x86_64 ] || fail 69 "there is no $qemu (GOPARK_QEMU)"
    local root=() try
    if [ "$(id -u)" != 0 ]; then root=(sudo -n); fi
    if have apt-get; then
        try='apt-get update && apt-get install -y qemu-system-x86'
        may_install && by_apt && return
    elif have dnf; then
        try='dnf install -y qemu-system-x86'
        may_install && install_with dnf install -y qemu-system-x86-core && return
    elif have pacman; then
        try='pacman -S qemu-system-x86'
        may_install && install_with pacman -Sy --noconfirm --needed qemu-system-x86 && return
    elif have brew; then
        try='brew install qemu'
        root=()
        [ "$(id -u)" != 0 ] && install_with brew install qemu && return
    fi
    say "QEMU (qemu-system-x86_64) is missing${try:+, and cannot be installed from here}. Type one of these:"
    cat >&2 <<'HELP'
    Debian, Ubuntu   sudo apt-get update && sudo apt-get install qemu-system-x86
    Fedora           sudo dnf install qemu-system-x86
    Arch             sudo pacman -S qemu-system-x86
    macOS            brew install qemu
HELP
    return 1
}

# As root, or with a sudo that asks nothing.
may_install() { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }

# install_with COMMAND...: says what it does. Standard output is the guest's.
install_with() {
    say "QEMU is missing; installing it: ${root[*]+"${root[*]} "}$*"
    ${root[@]+"${root[@]}"} "$@" </dev/null >&2
}

by_apt() {
    # Another installation may be under way.
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
    install_with "${apt[@]}" update
    install_with "${apt[@]}" install -y --no-install-recommends qemu-system-x86
}

# --- The loader ---------------------------------------------------------------------------------

need_loader() {
    if [ -n "$loader" ]; then
        [ -r "$loader" ] || fail 69 "there is no loader $loader (GOPARK_LOADER)"
        return
    fi
    loader=$built/$target/release/gopark-boot
    fresh || locked build build_loader || exit 69
}

# Whether the loader is newer than all it is made of. The stamp is as old as the begin of its last build.
fresh() {
    local newer
    [ -e "$loader" ] && [ -e "$built/stamp" ] || return 1
    newer=$(cd "$here" && find boot Cargo.toml Cargo.lock .cargo rust-toolchain.toml -newer "$built/stamp" 2>&1)
    [ -z "$newer" ]
}

build_loader() {
    fresh && return
    touch "$built/stamp.new" &&
        (cd "$here" && "${CARGO:-cargo}" build -q --release -p gopark-boot --target "$target" --target-dir "$built") &&
        mv "$built/stamp.new" "$built/stamp" || fail 69 "the loader cannot be built"
}

# --- Booting ------------------------------------------------------------------------------------

# Words that every machine has.
common=(-nodefaults -no-user-config -display none -monitor none -no-reboot
    -device 'isa-debug-exit,iobase=0xf4,iosize=4')

# Whether KVM works, and not only is there: under another hypervisor it may be emulated or broken. The loader without a
# kernel ends with its complaint (21, so 43), if the processor runs at all.
kvm_works() {
    [ -r /dev/kvm ] && [ -w /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo 2>/dev/null && have timeout || return 1
    timeout 10 "$qemu" -accel kvm -M "$machine" -cpu host -m 64M "${common[@]}" -serial null -kernel "$loader" \
        </dev/null >/dev/null 2>&1
    (($? == 43))
}

choose_accelerator() {
    case $accel in
    kvm) kvm_works || fail 69 "KVM does not work here: it needs /dev/kvm, and a CPU with vmx or svm; use --accel tcg" ;;
    auto) if [ -z "$icount" ] && kvm_works; then accel=kvm; else accel=tcg; fi ;;
    esac
}

# What the kernel is told: whether somebody is there, the settings, the words behind the kernel's name. Of several
# settings of one kind it takes the last.
command_line() {
    local line=''
    if [ "$console" != auto ]; then
        line=console=$console
    elif $terminal; then
        line=console=interactive
    fi
    printf '%s' "$line${append:+ $append}"
    (($# == 0)) || printf ' %s' "$@"
}

# boot KERNEL WORD...
boot() {
    local kernel=$1 mux=off
    shift
    [ -z "$kernel" ] || [ -f "$kernel" ] && [ -r "$kernel" ] || [ -z "$kernel" ] || fail 64 "there is no kernel $kernel"
    need_qemu
    need_loader
    choose_accelerator
    # Ctrl-A X works at a terminal only: in a pipe every byte is the kernel's.
    ! $terminal || mux=on
    local words=(-M "$machine" -accel "$accel" -cpu max -smp "$cores" -m "$memory" "${common[@]}"
        -chardev "stdio,id=console,signal=off,mux=$mux" -serial chardev:console
        -kernel "$loader" -append "$(command_line "$@")")
    [ -z "$kernel" ] || words+=(-initrd "$kernel")
    [ -z "$icount" ] || words+=(-icount "$icount" -rtc clock=vm)
    if [ -n "$gdb" ]; then
        words+=(-gdb "tcp:127.0.0.1:$gdb" -S)
        say "waiting for gdb: gdb $kernel -ex 'target remote localhost:$gdb'"
    fi
    ! $terminal || say 'Ctrl-A X ends the machine'
    run_qemu "${words[@]}" ${extra[@]+"${extra[@]}"}
}

# Runs QEMU to its end, and turns that into an exit code and, if it was none to be glad of, a line.
run_qemu() {
    local run=("$qemu" "$@") notes tty='' status=0 child
    ((limit == 0)) || run=(timeout --foreground --kill-after=5 "$limit" "${run[@]}")
    # Notes have no name, so nothing is left over however this ends.
    notes=$(mktemp) && exec 3>"$notes" 4<"$notes" && exec 5<"$notes" && rm -f "$notes" || fail 69 "no temporary file"
    ! $terminal || tty=$(stty -g)
    SECONDS=0
    "${run[@]}" <&0 2>&3 3>&- 4<&- 5<&- &
    child=$!
    trap 'kill -TERM "$child" 2>/dev/null' TERM INT HUP
    # A signal to us ends the first wait only. The shell says so itself if a signal ended QEMU.
    wait "$child" 2>&3
    status=$?
    while kill -0 "$child" 2>/dev/null; do
        wait "$child" 2>&3
        status=$?
    done
    [ -z "$tty" ] || stty "$tty"
    cat <&4 >&2
    verdict "$status"
}

# noted TEXT: whether QEMU's standard error has it.
noted() { grep -q -- "$1" <&5; }
