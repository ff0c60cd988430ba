// GeoDatabase: country and network number of an address from a MaxMind DB file. Immutable once
// opened; any thread.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/ip_address.h"
#include "base/result.h"

namespace sluice::facts {

class GeoDatabase {
 public:
  // path empty: null, the site has none.
  static Result<std::shared_ptr<const GeoDatabase>> open(const std::string& path);
  ~GeoDatabase();
  // ISO 3166 code, "DE".
  std::optional<std::string> country(const IpAddress& address) const;
  std::optional<std::int64_t> asn(const IpAddress& address) const;

 private:
  struct File;
  explicit GeoDatabase(std::unique_ptr<File> file);
  std::unique_ptr<File> file_;
};

}  // namespace sluice::facts
