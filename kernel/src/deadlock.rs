//! What happens when all goroutines are asleep.
//!
//! *Context.* g0 of the core that went to sleep last.

use gopark_sched::Deadlock;

use crate::{arch::port::ExitCode, backtrace::Backtrace, console, panic, println, report};

/// The scheduler found that nothing can wake anybody.
pub(crate) fn report(kind: Deadlock) {
    match kind {
        Deadlock::Everything => panic::end(
            ExitCode::DEADLOCK,
            format_args!("fatal error: all goroutines are asleep - deadlock!"),
            Backtrace::here(),
        ),
        Deadlock::AllButConsole => {
            println!("\nall goroutines but the console's are asleep - deadlock!\n");
            println!("{}", report::AllGoroutines { but_running_here: true });
            println!("Nothing but the console can wake anybody: `ps` lists them, `poweroff` ends the system.");
            console::prompt_again();
        }
    }
}
