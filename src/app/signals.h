// Signals of the service: the main thread takes them, no other thread sees them, libmilter
// included.
#pragma once

namespace sluice::app {

enum class Signal { None, Reload, Stop, ReopenLog };

// First thing in main: blocks the signals, so that every thread made later starts with them
// blocked.
void block_signals();
// In the main thread, once the other threads run: installs the handlers and unblocks.
void take_signals();
// The next signal, or None after `milliseconds`. Main thread only.
Signal next_signal(int milliseconds);

}  // namespace sluice::app
