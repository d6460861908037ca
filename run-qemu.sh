#!/usr/bin/env bash
# Boots a kernel in QEMU and says how it ended; `--help` explains the settings.
#
# It is cargo's runner for the whole workspace (.cargo/config.toml), so it is given
# host programs too: those it simply executes. Bash 3.2 and the usual small tools
# suffice; where `flock` or `setpriv` are missing (macOS), concurrent first calls
# rely on cargo's and the package manager's own locks, and a killed script (-9)
# may leave its machine behind.
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 1
stamp=$here/target/loader/.built

say() { printf 'run-qemu.sh: %s\n' "$*" >&2; }

# Ends with this status, and a line that says why.
end() {
    say "${@:2}"
    exit "$1"
}
# A fault of the call or of this computer. The guest's faults have other numbers.
die() { end 1 "$@"; }

usage() {
    cat <<'END'
usage: run-qemu.sh [SETTING...] KERNEL [WORD...]     boot KERNEL with these words on its command line;
                                                     '' boots the loader alone
       run-qemu.sh [SETTING...] --loader             build the loader and print its path

With cargo: `cargo run -- WORD...`; settings are then given as environment variables.

setting              variable           what it is
--cores N            GOPARK_SMP         cores, 1 to 255 (default 4)
--memory SIZE        GOPARK_MEM         memory, as 512M or 2G (default 1G)
--accel WHICH        GOPARK_ACCEL       auto, kvm, tcg or hvf (default auto: KVM where this computer's
                                        processor offers it for real, else TCG)
--machine TYPE       GOPARK_MACHINE     q35, pc or microvm (default q35)
--append TEXT        GOPARK_APPEND      more words for the kernel's command line
--console WHO        GOPARK_CONSOLE     interactive or none (default: whether there is a terminal)
--timeout SECONDS    GOPARK_TIMEOUT     end the machine after this time; 0: never
                                        (default: 0 at a terminal or with --gdb, else 600)
--icount HOW         GOPARK_ICOUNT      run by counted instructions, the same each time; "on" is
                                        shift=0,sleep=off. TCG only
--gdb PORT           GOPARK_GDB         wait for a debugger on this local TCP port
--boot FILE          GOPARK_LOADER      use this loader (default: build boot/ when it changed)
--qemu-arg WORD      GOPARK_QEMU_ARGS   one more word for QEMU itself; the variable may hold several
--qemu FILE          GOPARK_QEMU        which QEMU (default: qemu-system-x86_64)
--runner                                execute KERNEL if it is a program of this computer

exit code
  0    the guest said that it succeeded; nothing else ends with 0
  1    this call is wrong, or QEMU cannot be had or does not start
  2    the guest crashed: a panic, a deadlock, a fatal error, an exception, a stuck core, no memory
  3    the loader refused the kernel
  4    the machine reset or went off without a word, as after a triple fault
  124  it took longer than --timeout
  128+N  killed by signal N
  N    the program in the guest ended with code N
END
}

# A whole number within bounds: number NAME VALUE LEAST MOST
number() {
    case $2 in
    '' | *[!0-9]* | ??????????*) die "$1: \"$2\" is no whole number from $3 to $4" ;;
    esac
    ((10#$2 >= $3 && 10#$2 <= $4)) || die "$1: $2 is not within $3 to $4"
}

# One of a list: one_of NAME VALUE CHOICE...
one_of() {
    local name=$1 value=$2 choice
    shift 2
    for choice; do
        [ "$value" = "$choice" ] && return
    done
    die "$name: \"$value\" is none of: $*"
}

defaults() {
    cores=${GOPARK_SMP:-4}
    memory=${GOPARK_MEM:-1G}
    accel=${GOPARK_ACCEL:-auto}
    machine=${GOPARK_MACHINE:-q35}
    append=${GOPARK_APPEND:-}
    icount=${GOPARK_ICOUNT:-}
    gdb=${GOPARK_GDB:-}
    loader=${GOPARK_LOADER:-}
    qemu=${GOPARK_QEMU:-}
    runner='' only_loader='' kernel=''
    # Split at blanks, as it would be on a command line.
    read -r -a extra <<<"${GOPARK_QEMU_ARGS:-}"
    console=${GOPARK_CONSOLE:-$([ -t 0 ] && echo interactive || echo none)}
    limit=${GOPARK_TIMEOUT:-}
}

# Reads the command line; what follows the kernel is the kernel's.
read_settings() {
    while (($# > 0)); do
        case $1 in
        -h | --help) usage && exit 0 ;;
        --runner) runner=yes && shift && continue ;;
        --loader) only_loader=yes && shift && continue ;;
        --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
        -*) (($# > 1)) || die "$1: needs a value, or is unknown; see --help" ;;
        *) break ;;
        esac
        case $1 in
        --cores | --smp) cores=$2 ;;
        --memory | --mem) memory=$2 ;;
        --accel) accel=$2 ;;
        --machine) machine=$2 ;;
        --append) append="${append:+$append }$2" ;;
        --console) console=$2 ;;
        --timeout) limit=$2 ;;
        --icount) icount=$2 ;;
        --gdb) gdb=$2 ;;
        --boot) loader=$2 ;;
        --qemu) qemu=$2 ;;
        --qemu-arg) extra+=("$2") ;;
        *) die "unknown setting $1; see --help" ;;
        esac
        shift 2
    done
    (($# > 0)) || [ -n "$only_loader" ] || die "which kernel? usage: run-qemu.sh [SETTING...] KERNEL [WORD...]; see --help"
    kernel=${1-}
    words=("${@:2}")
}

check_settings() {
    number --cores "$cores" 1 255
    choose_limit
    [ -z "$gdb" ] || number --gdb "$gdb" 1 65535
    [[ $memory =~ ^[1-9][0-9]{0,5}[MG]$ ]] || die "--memory: \"$memory\" is no size such as 512M or 2G"
    one_of --accel "$accel" auto kvm tcg hvf
    # With further properties, as QEMU has them.
    one_of --machine "${machine%%,*}" q35 pc microvm
    one_of --console "$console" interactive none
    case $icount in
    on) icount=shift=0,sleep=off ;;
    '' | shift=*) ;;
    *) die "--icount: \"$icount\" is neither \"on\" nor of the kind shift=0,sleep=off" ;;
    esac
    [ -z "$icount" ] || one_of "--accel with --icount" "$accel" auto tcg
}

# A file that fills the memory QEMU lays over its own first steps, which then fault before the loader can complain.
check_room() {
    local room=${memory%?} file
    [[ $memory != *G ]] || room=$((room * 1024))
    file=$(wc -c <"$kernel") && ((file + (1 << 20) <= room << 20)) ||
        die "--memory: $memory is too little for a kernel file of $((file >> 10)) KiB"
}

choose_limit() {
    timeout=$(command -v timeout || command -v gtimeout)
    if [ -z "$limit" ]; then
        if [ -t 0 ] || [ -n "$gdb" ] || [ -z "$timeout" ]; then limit=0; else limit=600; fi
    fi
    number --timeout "$limit" 0 999999
    ((limit == 0)) || [ -n "$timeout" ] ||
        die "--timeout needs the program \`timeout\` (macOS: brew install coreutils); --timeout 0 does without"
}

# /dev/kvm alone says little: it may be there and be emulated, many times slower than TCG, or not work at all.
# So the loader has to run there: it misses its kernel, and says so.
kvm_missing() {
    [ -e /dev/kvm ] || { echo "there is no /dev/kvm" && return; }
    [ -r /dev/kvm ] && [ -w /dev/kvm ] || { echo "no permission for /dev/kvm" && return; }
    grep -qwE 'vmx|svm' /proc/cpuinfo || { echo "this computer's processor does not offer vmx or svm" && return; }
    ${timeout:+"$timeout" 10} "$qemu" -M "$machine" -accel kvm -cpu max -m 64M "${common[@]}" -serial null \
        -kernel "$loader" </dev/null >/dev/null 2>&1
    (($? == 43)) || echo "the loader does not run under it"
}

choose_accel() {
    if [ -n "$icount" ]; then
        accel=tcg
    elif [ "$accel" = auto ]; then
        [ -z "$(kvm_missing)" ] && accel=kvm || accel=tcg
    elif [ "$accel" = kvm ]; then
        local why
        why=$(kvm_missing)
        [ -z "$why" ] || die "--accel kvm: $why; allowed here: auto, tcg"
    fi
}

# Runs a function while no other call of this script runs one.
alone() {
    mkdir -p "$here/target/loader" || die "cannot create $here/target/loader"
    (
        ! command -v flock >/dev/null || flock -w 900 9 ||
            die "another call holds $here/target/loader/.lock for 15 minutes by now"
        "$@" 9>&-
    ) 9>"$here/target/loader/.lock"
}

need_qemu() {
    if [ -z "$qemu" ]; then
        qemu=qemu-system-x86_64
        # Standard input is the guest's, and an installer would read from it.
        command -v "$qemu" >/dev/null || alone install_qemu </dev/null || exit 1
    fi
    command -v "$qemu" >/dev/null || die "--qemu: there is no $qemu"
}

# Standard output is the guest's.
install() {
    say "QEMU is missing; installing it: $*"
    if [ "$1" = brew ] || [ "$(id -u)" = 0 ]; then "$@" >&2; else sudo -n "$@" >&2; fi
}

install_qemu() {
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qy -o DPkg::Lock::Timeout=300)
    # Another call may have done it while we waited.
    command -v qemu-system-x86_64 >/dev/null && return
    if command -v brew >/dev/null; then
        install brew install qemu
    elif [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
        how_to_install "it takes root to install it"
    elif command -v apt-get >/dev/null; then
        # A repository that does not answer need not be the one with QEMU.
        install "${apt[@]}" update || say "going on with what apt-get knows"
        install "${apt[@]}" install --no-install-recommends qemu-system-x86
    elif command -v dnf >/dev/null; then
        install dnf install -qy qemu-system-x86-core
    elif command -v pacman >/dev/null; then
        install pacman -Sy --noconfirm --needed qemu-system-x86
    else
        how_to_install "no package manager that is known here"
    fi
    hash -r
    command -v qemu-system-x86_64 >/dev/null || how_to_install "installing it did not help"
}

how_to_install() {
    say "QEMU (qemu-system-x86_64) is missing, and $1. Install it by hand:"
    cat >&2 <<'END'
  Debian, Ubuntu:  sudo apt-get update && sudo apt-get install -y qemu-system-x86
  Fedora:          sudo dnf install -y qemu-system-x86-core
  Arch:            sudo pacman -S qemu-system-x86
  macOS:           brew install qemu
END
    exit 1
}

need_loader() {
    if [ -z "$loader" ]; then
        loader=$here/target/loader/x86_64-unknown-linux-gnu/release/gopark-boot
        loader_is_fresh || alone build_loader || exit 1
    fi
    [ -f "$loader" ] || die "--boot: there is no file $loader"
}

# The stamp is as old as the start of the last good build.
loader_is_fresh() {
    [ -f "$loader" ] && [ -f "$stamp" ] &&
        [ -z "$(cd "$here" && find boot Cargo.toml Cargo.lock .cargo -newer "$stamp" 2>&1)" ]
}

# The loader is built by the repository's own settings, whatever cargo command runs around us.
build_loader() {
    loader_is_fresh && return
    local name
    for name in $(compgen -e); do
        case $name in
        CARGO_HOME | CARGO_HTTP_* | CARGO_NET_* | CARGO_REGISTR* | CARGO_SOURCE_* | CARGO_TERM_*) ;;
        CARGO_* | RUSTFLAGS | RUSTC_WORKSPACE_WRAPPER | MAKEFLAGS) unset "$name" ;;
        esac
    done
    touch "$stamp.new"
    (cd "$here" && "${CARGO:-cargo}" build -q --release -p gopark-boot --target-dir target/loader >&2) ||
        die "the loader (boot/) does not build"
    mv "$stamp.new" "$stamp"
}

# Kernels start in the top 2 GiB of the address space, no program of this computer does. An ELF file
# has its entry point in the 8 bytes from 24 on, least significant first.
is_kernel() {
    local bytes
    bytes=$(od -An -v -tx1 -N32 "$1" 2>/dev/null | tr -d ' \n')
    [[ $bytes == 7f454c46* && ${bytes:54:2} == [89a-f]* && ${bytes:56:8} == ffffffff ]]
}

# What all machines have.
common=(-nodefaults -no-user-config -display none -no-reboot -device "isa-debug-exit,iobase=0xf4,iosize=4")

machine_command() {
    # The kernel takes the last of two settings of one kind.
    local line="console=$console${append:+ $append}"
    ((${#words[@]} == 0)) || line="$line ${words[*]}"
    command=("$qemu" -M "$machine" -accel "$accel" -cpu max -m "$memory" -smp "$cores" "${common[@]}"
        -kernel "$loader" -append "$line")
    [ -z "$kernel" ] || command+=(-initrd "$kernel")
    if [ -t 0 ]; then
        command+=(-serial mon:stdio)
    else
        command+=(-monitor none -serial stdio)
    fi
    # The guest's clock, too, follows the counted instructions.
    [ -z "$icount" ] || command+=(-icount "$icount" -rtc "base=2020-01-01,clock=vm")
    [ -z "$gdb" ] || command+=(-gdb "tcp:127.0.0.1:$gdb" -S)
    ((${#extra[@]} == 0)) || command+=("${extra[@]}")
    # QEMU must end at its time, and with us even if we are killed without notice.
    ((limit == 0)) || command=("$timeout" --foreground --kill-after=2 "$limit" "${command[@]}")
    command -v setpriv >/dev/null && command=(setpriv --pdeathsig TERM "${command[@]}")
}

child='' signal='' terminal='' since=0

start_machine() {
    # QEMU makes its standard output non-blocking, and leaves it so; it gets one of its own, where that can be
    # had, so that whoever shares ours does not notice.
    if [ ! -t 0 ] && { [ -t 1 ] || [ -p /dev/stdout ]; } && { : >>/dev/stdout; } 2>/dev/null; then
        "${command[@]}" <&0 >>/dev/stdout &
    else
        "${command[@]}" <&0 &
    fi
    child=$!
}

# Asks first, so that QEMU can put the terminal right.
stop_machine() {
    local left=20
    [ -n "$child" ] && kill -TERM "$child" 2>/dev/null || return
    while kill -0 "$child" 2>/dev/null && ((left-- > 0)); do
        sleep 0.1
    done
    kill -KILL "$child" 2>/dev/null
}

clean_up() {
    trap '' INT TERM HUP QUIT
    stop_machine
    [ -z "$terminal" ] || stty "$terminal" 2>/dev/null
}

# Boots; sets `status` to QEMU's, and `remark` to what the shell says if a signal ended it: the status
# alone is the same for a program that ends with code 4 and for a machine killed by signal 9.
run_machine() {
    local file number
    [ ! -t 0 ] || terminal=$(stty -g)
    trap clean_up EXIT
    for number in 1 2 3 15; do
        # shellcheck disable=SC2064 # the number as it is now
        trap "signal=$number; stop_machine" "$number"
    done
    since=$SECONDS
    start_machine
    file=$(mktemp) && exec 7>"$file" 8<"$file" && rm "$file" || exec 7>/dev/null 8</dev/null
    # A signal for us ends the waiting, not the machine.
    while :; do
        wait "$child" 2>&7
        status=$?
        kill -0 "$child" 2>/dev/null || break
    done
    child=''
    exec 7>&-
    remark=$(cat <&8)
}

# Says in one line how it ended, and ends likewise.
judge() {
    local killer=$((status - 128)) program=$(((status - 129) / 2))
    [ -z "$signal" ] || end $((128 + signal)) "killed by signal $signal"
    if ((limit > 0 && SECONDS - since >= limit && (status == 124 || status == 137))); then
        end 124 "time-out: the machine was ended after $limit s"
    elif ((killer > 0)) && [ -n "$remark" ]; then
        end "$status" "QEMU was killed by signal $killer (SIG$(kill -l $killer 2>/dev/null))"
    fi
    # QEMU ends with twice the value that the guest wrote, plus one.
    case $status in
    33) exit 0 ;;
    35) end 2 "the guest failed: a panic in main" ;;
    37) end 2 "the guest failed: a deadlock: all goroutines are asleep" ;;
    39) end 2 "the guest failed: a fatal error" ;;
    41) end 2 "the guest failed: a CPU exception" ;;
    43) end 3 "the loader refused the kernel" ;;
    45) end 2 "the guest failed: a core was stuck" ;;
    47) end 2 "the guest failed: out of memory" ;;
    0) end 4 "the machine reset or went off without a word from the guest (a triple fault, or QEMU was told to quit)" ;;
    1) end 1 "QEMU did not start the machine" ;;
    esac
    ((status <= 129 || status % 2 == 0)) || end $program "the program ended with exit code $program"
    end 2 "the guest failed: QEMU's status $status has no meaning"
}

# All of this file is read before anything of it runs: it may change meanwhile.
main() {
    defaults
    read_settings "$@"
    [ -z "$only_loader" ] || { need_qemu && need_loader && echo "$loader" && exit; }
    if [ -n "$runner" ] && ! is_kernel "$kernel"; then
        exec "$kernel" ${words[@]+"${words[@]}"}
    fi
    [ -z "$kernel" ] || { [ -f "$kernel" ] && [ -r "$kernel" ]; } || die "there is no file $kernel"
    check_settings
    [ -z "$kernel" ] || check_room
    need_qemu
    need_loader
    choose_accel
    machine_command
    [ ! -t 0 ] || say "Ctrl-A X ends QEMU, Ctrl-A C shows its monitor, Ctrl-A H helps"
    [ -z "$gdb" ] || say "waiting for: gdb $kernel -ex 'target remote 127.0.0.1:$gdb'"
    run_machine
    judge
}

main "$@"
exit
