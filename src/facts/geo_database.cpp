#include "facts/geo_database.h"

#include <maxminddb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

namespace sluice::facts {

struct GeoDatabase::File {
  MMDB_s db{};
  bool is_open = false;
  ~File() {
    if (is_open) MMDB_close(&db);
  }
};

GeoDatabase::GeoDatabase(std::unique_ptr<File> file) : file_(std::move(file)) {}
GeoDatabase::~GeoDatabase() = default;

Result<std::shared_ptr<const GeoDatabase>> GeoDatabase::open(const std::string& path) {
  if (path.empty()) return std::shared_ptr<const GeoDatabase>();
  auto file = std::make_unique<File>();
  const int error = MMDB_open(path.c_str(), MMDB_MODE_MMAP, &file->db);
  if (error != MMDB_SUCCESS) return config_error(path + ": " + MMDB_strerror(error));
  file->is_open = true;
  return std::shared_ptr<const GeoDatabase>(new GeoDatabase(std::move(file)));
}

namespace {

// IPv4 addresses are asked as such: both kinds of database know them.
std::optional<MMDB_entry_s> look_up(const MMDB_s& db, const IpAddress& address) {
  sockaddr_storage storage{};
  if (address.is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    std::memcpy(&v4->sin_addr, address.bytes().data() + 12, 4);
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    v6->sin6_family = AF_INET6;
    std::memcpy(&v6->sin6_addr, address.bytes().data(), 16);
  }
  int error = MMDB_SUCCESS;
  const auto found = MMDB_lookup_sockaddr(&db, reinterpret_cast<const sockaddr*>(&storage), &error);
  if (error != MMDB_SUCCESS || !found.found_entry) return std::nullopt;
  return found.entry;
}

}  // namespace

std::optional<std::string> GeoDatabase::country(const IpAddress& address) const {
  auto entry = look_up(file_->db, address);
  if (!entry) return std::nullopt;
  MMDB_entry_data_s data{};
  const int error = MMDB_get_value(&*entry, &data, "country", "iso_code", nullptr);
  if (error != MMDB_SUCCESS || !data.has_data || data.type != MMDB_DATA_TYPE_UTF8_STRING)
    return std::nullopt;
  return std::string(data.utf8_string, data.data_size);
}

std::optional<std::int64_t> GeoDatabase::asn(const IpAddress& address) const {
  auto entry = look_up(file_->db, address);
  if (!entry) return std::nullopt;
  MMDB_entry_data_s data{};
  const int error = MMDB_get_value(&*entry, &data, "autonomous_system_number", nullptr);
  if (error != MMDB_SUCCESS || !data.has_data || data.type != MMDB_DATA_TYPE_UINT32)
    return std::nullopt;
  return data.uint32;
}

}  // namespace sluice::facts
