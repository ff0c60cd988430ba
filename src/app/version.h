#pragma once

namespace sluice::app {

#ifndef SLUICE_VERSION
#define SLUICE_VERSION "unknown"
#endif
inline constexpr const char* kVersion = SLUICE_VERSION;

}  // namespace sluice::app
