//! `gopark::main!`: what makes a program a kernel.
//!
//! Panic handler, allocator and the C symbols that compiled code calls are emitted here, into the final binary, and never by
//! the library: host tests and doctests link `std`, which has its own (docs/decisions/0004-panics.md).

/// Makes `fn main() -> impl Termination` the program of a kernel image.
///
/// ```ignore
/// #![no_std]
/// #![no_main]
/// gopark::main!(main);
///
/// fn main() {
///     gopark::println!("hello from goroutine {}", gopark::runtime::goid());
/// }
/// ```
#[macro_export]
macro_rules! main {
    ($main:path) => {
        const _: () = {
            #[global_allocator]
            static HEAP: $crate::internals::Heap = $crate::internals::Heap;

            #[panic_handler]
            fn panic(info: &::core::panic::PanicInfo<'_>) -> ! {
                $crate::panic::handle(info)
            }

            fn start(info: &'static mut $crate::internals::bootloader_api::BootInfo) -> ! {
                $crate::boot::start(info, $main)
            }

            $crate::internals::bootloader_api::entry_point!(start, config = &$crate::boot::CONFIG);
            $crate::c_symbols!();
        };
    };
}

/// The C symbols that compiled code refers to.
#[doc(hidden)]
#[macro_export]
macro_rules! c_symbols {
    () => {
        // SAFETY (all): the C contract of each name is that of the function it leads to.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
            // SAFETY: memcpy's own contract.
            unsafe { $crate::internals::memops::copy(to, from, len) }
        }
        #[unsafe(no_mangle)]
        unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
            // SAFETY: memmove's own contract.
            unsafe { $crate::internals::memops::copy_overlapping(to, from, len) }
        }
        #[unsafe(no_mangle)]
        unsafe extern "C" fn memset(to: *mut u8, byte: i32, len: usize) -> *mut u8 {
            // SAFETY: memset's own contract.
            unsafe { $crate::internals::memops::fill(to, byte, len) }
        }
        #[unsafe(no_mangle)]
        unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
            // SAFETY: memcmp's own contract.
            unsafe { $crate::internals::memops::compare(a, b, len) }
        }
        #[unsafe(no_mangle)]
        unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
            // SAFETY: bcmp's own contract.
            unsafe { $crate::internals::memops::compare(a, b, len) }
        }
        // Prebuilt `core` and `alloc` were made for unwinding, and name these two; with panic=abort nothing calls them.
        #[unsafe(no_mangle)]
        extern "C" fn rust_eh_personality() -> ! {
            ::core::panic!("rust_eh_personality was called: nothing unwinds here")
        }
        #[unsafe(no_mangle)]
        extern "C" fn _Unwind_Resume() -> ! {
            ::core::panic!("_Unwind_Resume was called: nothing unwinds here")
        }
    };
}
