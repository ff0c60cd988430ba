// The addresses of this host's interfaces.
#pragma once
#include <vector>

#include "base/ip_address.h"

namespace sluice::backends {

// Those of now; interfaces come and go. Empty when the kernel does not tell.
std::vector<IpAddress> own_addresses();

}  // namespace sluice::backends
