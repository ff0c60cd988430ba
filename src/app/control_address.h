// The address of the control socket, for both its ends.
#pragma once
#include <sys/un.h>

#include <string>

#include "base/result.h"

namespace sluice::app {

// Error{Config}: empty, or too long for a socket.
Result<sockaddr_un> control_address(const std::string& path);

}  // namespace sluice::app
