// sd_notify(3) by hand: one datagram to NOTIFY_SOCKET, nothing when there is none.
#pragma once
#include <string_view>

namespace sluice::app {

void notify_systemd(std::string_view state);  // "READY=1", "STATUS=…", "STOPPING=1", "WATCHDOG=1"

}  // namespace sluice::app
