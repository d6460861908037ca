//! Devices: for now the serial port.

pub mod ring;
pub mod uart;
mod uart_port;
