// socket_folder - where tests make the folders of their unix sockets: the folder for temporary files,
// or /tmp when its name is so long that a socket's path (107 characters at most) would not fit.
#pragma once
#include <filesystem>

namespace sluice::testing {

inline std::filesystem::path socket_folder() {
  constexpr std::size_t kLongest = 60;
  const std::filesystem::path place = std::filesystem::temp_directory_path();
  return place.string().size() <= kLongest ? place : std::filesystem::path("/tmp");
}

}  // namespace sluice::testing
