// A folder of policy files for one test, gone when it ends; and folders that tests find through the
// environment.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace sluice::policy {

class PolicyFolder {
 public:
  PolicyFolder() {
    std::string shape = (std::filesystem::temp_directory_path() / "policy-XXXXXX").string();
    path_ = mkdtemp(shape.data());
  }
  PolicyFolder(const PolicyFolder&) = delete;
  PolicyFolder& operator=(const PolicyFolder&) = delete;
  ~PolicyFolder() { std::filesystem::remove_all(path_); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name) << text;
    return (path_ / name).string();
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

// The folder named by the environment variable, or `usual` relative to the checkout; empty when
// there is none.
inline std::filesystem::path folder_of(const char* variable, const char* usual) {
  const char* set = std::getenv(variable);
  const std::filesystem::path path =
      set ? std::filesystem::path(set) : std::filesystem::path(SLUICE_SOURCE_DIR) / usual;
  std::error_code failed;
  return std::filesystem::is_directory(path, failed) ? path : std::filesystem::path();
}

}  // namespace sluice::policy
