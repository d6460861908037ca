//! The first serial port, COM1: the console's bytes, out and in.
//!
//! Its one job is to move bytes. Output is written straight to the device ([`write()`]): it needs no heap, no lock and
//! no initialization, and so serves the first line as well as the last. Input comes by interrupt ([`on_interrupt`])
//! into a ring and is taken out by [`read`]. Lines, echo, who may print next, and waking whoever waits for
//! input are left to the callers.
//!
//! *Context.* [`write()`]: any, also with interrupts off, from an NMI, or before [`init`]; two cores that write at once
//! mix their bytes but harm nothing, so whoever cares holds the console's lock. [`on_interrupt`]: the handler of
//! [`vector::UART`](crate::arch::vector::UART), on one core. [`read`]: any.
//!
//! *Invariants.* STATELESS: the driver object is made anew for each use, with nothing in it but the port's number; all
//! memory is in the device and in the statics here. ONE-PRODUCER (of the ring): before [`init`] returns it
//! alone pushes, afterwards [`on_interrupt`] alone.
//!
//! *Flow control.* If nobody reads, the ring fills; then the receive interrupt is masked and further bytes wait in the
//! device, and behind it in whoever sends. Taking bytes out unmasks it. The same mask ends an interrupt that comes
//! again and again without a byte, until the next [`read`].
//!
//! *Memory order.* Handler and reader must not both believe that the other will unmask:
//!
//! | handler | reader |
//! |---|---|
//! | masks in the device, sets `MASKED` | takes bytes out |
//! | fence | fence |
//! | looks whether there is room | takes `MASKED` |
//! | if so, takes `MASKED` | |
//!
//! Whoever took it unmasks.
//!
//! *Rejected.* The crate's loopback test: it empties the receiver, and bytes that arrive during the test fail it. That
//! there is a device is shown by its scratch register, which initialization checks.

use core::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence},
};

use uart_16550::{
    BaudRate, Config, Uart16550,
    backend::PioBackend,
    spec::registers::{FifoTriggerLevel, IER, LSR},
};

use super::{ring::Ring, uart_port::Com1};

/// COM1's first port; its interrupt is ISA's 4.
const PORT: u16 = 0x3f8;
/// The ISA interrupt of the port.
pub const IRQ: u8 = 4;
/// Bytes taken from the device per interrupt, at most: four FIFOs full, so that a source which never ends cannot
/// keep the core. For what is left the interrupt is raised anew.
const PER_INTERRUPT: usize = 64;
/// So many interrupts in a row without a byte are a fault.
const STORM: u32 = 1000;

static INPUT: Ring<1024> = Ring::new();
static PRESENT: AtomicBool = AtomicBool::new(true);
static MASKED: AtomicBool = AtomicBool::new(false);
static IN_VAIN: AtomicU32 = AtomicU32::new(0);
static COUNTS: Counts = Counts { overruns: AtomicU64::new(0), throttled: AtomicU64::new(0), storms: AtomicU64::new(0) };

/// What went wrong on the line; nothing of it stops it.
#[derive(Debug)]
pub struct Counts {
    /// The device lost bytes: they came faster than the interrupt was answered.
    pub overruns: AtomicU64,
    /// The ring was full, and the sender had to wait.
    pub throttled: AtomicU64,
    /// The interrupt came again and again without a byte, and was masked.
    pub storms: AtomicU64,
}

type Uart = Uart16550<Com1>;

/// The port's number in the crate's own type, whose only way to be made is this.
const BACKEND: PioBackend = {
    // SAFETY: the number is COM1's on every PC; nothing is accessed here.
    match unsafe { Uart16550::new_port(PORT) } {
        Ok(uart) => *uart.backend(),
        Err(_) => unreachable!(),
    }
};

fn device() -> Uart {
    // SAFETY: STATELESS; the registers tolerate any order of accesses by several cores.
    unsafe { Uart16550::new_with_backend(Com1::new(BACKEND)) }
}

fn keep(byte: u8) {
    // Typed ahead by more than the ring holds: lost, as it would have been without us.
    let _ = INPUT.push(byte);
}

/// Sets the port up: 115200 baud, 8 bits, no parity, FIFOs on, no interrupts. Says whether there is one; if not, output
/// goes nowhere and input never comes.
pub fn init() -> bool {
    // SAFETY: as in `device`; nobody else uses the port while the boot core is alone.
    let mut uart: Uart = unsafe { Uart16550::new_with_backend(Com1::keeping(BACKEND, keep)) };
    let config = Config {
        baud_rate: BaudRate::Baud115200,
        // One byte raises the interrupt: a key is to be answered at once.
        fifo_trigger_level: Some(FifoTriggerLevel::One),
        ..Config::DEFAULT
    };
    let present = uart.init(config).is_ok();
    PRESENT.store(present, Ordering::Relaxed);
    present
}

/// Lets the device raise its interrupt for bytes that arrive or have arrived.
pub fn enable_input() {
    if PRESENT.load(Ordering::Relaxed) {
        unmask();
    }
}

/// Sends text, with `\n` as a new line. Waits for the device, but not for ever: see `uart_port`.
pub fn write(text: &[u8]) {
    if !PRESENT.load(Ordering::Relaxed) {
        return;
    }
    let mut uart = device();
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        if index > 0 {
            uart.send_bytes_exact(b"\r\n");
        }
        uart.send_bytes_exact(line);
    }
}

/// Formatted output without lock or heap.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw;

impl fmt::Write for Raw {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write(text.as_bytes());
        Ok(())
    }
}

/// The interrupt handler's part: moves what arrived into the ring. Says whether there is something new to read.
pub fn on_interrupt() -> bool {
    let mut uart = device();
    let moved = drain(&mut uart);
    if INPUT.is_full() {
        COUNTS.throttled.fetch_add(1, Ordering::Relaxed);
        mask(&mut uart);
    } else if uart.ready_to_receive().is_ok() {
        // ISA interrupts are edges: a line that stays up is silent, so it is taken down and up again.
        uart.disable_interrupts(IER::all());
        uart.enable_interrupts(IER::DATA_READY);
    } else if moved == 0 {
        count_in_vain(&mut uart);
    }
    if moved > 0 {
        IN_VAIN.store(0, Ordering::Relaxed);
    }
    moved > 0
}

/// Takes at most [`PER_INTERRUPT`] bytes; stops when the ring is full, and leaves the rest in the device.
fn drain(uart: &mut Uart) -> usize {
    let mut moved = 0;
    while moved < PER_INTERRUPT && !INPUT.is_full() {
        let Ok(byte) = uart.try_receive_byte() else { break };
        // There was room, and ONE-PRODUCER.
        let _ = INPUT.push(byte);
        moved += 1;
    }
    if uart.lsr().contains(LSR::OVERRUN_ERROR) {
        COUNTS.overruns.fetch_add(1, Ordering::Relaxed);
    }
    moved
}

/// No byte: reading all status registers takes back every other reason for the interrupt. If that does not help, mask.
fn count_in_vain(uart: &mut Uart) {
    let _ = (uart.isr(), uart.lsr(), uart.msr());
    let count = IN_VAIN.fetch_add(1, Ordering::Relaxed) + 1;
    if count >= STORM {
        IN_VAIN.store(0, Ordering::Relaxed);
        COUNTS.storms.fetch_add(1, Ordering::Relaxed);
        uart.disable_interrupts(IER::all());
        MASKED.store(true, Ordering::Release);
    }
}

fn mask(uart: &mut Uart) {
    uart.disable_interrupts(IER::all());
    MASKED.store(true, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    if !INPUT.is_full() {
        unmask_if_masked();
    }
}

fn unmask_if_masked() {
    if MASKED.load(Ordering::Relaxed) && MASKED.swap(false, Ordering::AcqRel) {
        unmask();
    }
}

fn unmask() {
    device().enable_interrupts(IER::DATA_READY);
}

/// Takes bytes that arrived into `buffer`, as many as there are; never waits.
pub fn read(buffer: &mut [u8]) -> usize {
    let mut count = 0;
    while count < buffer.len()
        && let Some(byte) = INPUT.pop()
    {
        buffer[count] = byte;
        count += 1;
    }
    fence(Ordering::SeqCst);
    unmask_if_masked();
    count
}

/// What went wrong so far.
pub fn counts() -> &'static Counts {
    &COUNTS
}
