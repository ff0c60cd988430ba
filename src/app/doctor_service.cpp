// The service itself: does it run, has an MTA come, are its secrets secret.
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "app/control.h"
#include "app/doctor.h"

namespace sluice::app {
namespace {

using Weight = Finding::Weight;

struct Account {
  uid_t uid = 0;
  std::vector<gid_t> groups;
};

std::optional<Account> account_of(const std::string& name) {
  const passwd* entry = ::getpwnam(name.c_str());
  if (entry == nullptr) return std::nullopt;
  Account account;
  account.uid = entry->pw_uid;
  int count = 64;
  account.groups.resize(static_cast<std::size_t>(count));
  if (::getgrouplist(name.c_str(), entry->pw_gid, account.groups.data(), &count) < 0) count = 64;
  account.groups.resize(static_cast<std::size_t>(count));
  return account;
}

// bit: 1 search, 2 write, as in the last digit of a mode.
bool may(const Account& account, const struct stat& place, unsigned bit) {
  if (account.uid == 0) return true;
  if (place.st_uid == account.uid) return (place.st_mode & (bit << 6)) != 0;
  for (const gid_t group : account.groups) {
    if (place.st_gid == group) return (place.st_mode & (bit << 3)) != 0;
  }
  return (place.st_mode & bit) != 0;
}

void check_secret(const char* key, const std::string& path, Findings& findings) {
  if (path.empty()) return;
  struct stat place {};
  if (::stat(path.c_str(), &place) != 0) {
    findings.push_back({Weight::Bad, "rights", fmt::format("{}: {} is not there", key, path), "put it there, mode 0640, group of the service"});
  } else if ((place.st_mode & 0007) != 0) {
    findings.push_back({Weight::Bad, "rights", fmt::format("{}: everybody on this host may read {}", key, path), "chmod o= " + path});
  }
}

}  // namespace

bool uses_fact(const policy::Program* program, std::string_view prefix) {
  if (program == nullptr) return false;
  for (const policy::UsedFact& fact : program->facts())
    if (std::string_view(fact.signature.name).substr(0, prefix.size()) == prefix) return true;
  return false;
}

std::string why_unreachable(const std::string& path, const std::string& user) {
  struct stat place {};
  if (::stat(path.c_str(), &place) != 0) return path + " is not there";
  if (!S_ISSOCK(place.st_mode)) return path + " is no socket";
  const auto account = account_of(user);
  if (!account) return "there is no user " + user;
  if (!may(*account, place, 2))
    return fmt::format("{} (mode {:o}) cannot be written by user {}", path, place.st_mode & 0777, user);
  for (auto folder = std::filesystem::path(path).parent_path();; folder = folder.parent_path()) {
    if (::stat(folder.c_str(), &place) == 0 && !may(*account, place, 1))
      return fmt::format("user {} may not enter {} (mode {:o})", user, folder.string(), place.st_mode & 0777);
    if (folder == folder.root_path() || folder.empty()) return {};
  }
}

void check_service(const Patient& patient, Findings& findings) {
  const ServiceConfig& config = patient.config;
  const auto reply = ask_service(config.control, "status", nlohmann::json::object());
  if (!reply) {
    findings.push_back({Weight::Bad, "service", reply.error().what, "systemctl start sluice"});
  } else {
    const auto status = nlohmann::json::parse(reply->json, nullptr, false);
    const auto served = status["sessions"].value("served", 0);
    const bool reloaded = status["reload"].value("ok", true);
    findings.push_back({Weight::Good, "service", "runs, policy " + status.value("policy", std::string()), {}});
    if (!reloaded)
      findings.push_back({Weight::Bad, "reload", "the last reload failed, an older policy runs", "sluice check -c " + config.file});
    if (served == 0)
      findings.push_back({Weight::Warn, "attached", "no MTA has connected since it started", "see the findings about the MTA"});
    else
      findings.push_back({Weight::Good, "attached", fmt::format("an MTA has connected: {} sessions", served), {}});
    const auto& store = status["store"];
    if (!store.value("available", true))
      findings.push_back({Weight::Bad, "store", "away: " + store.value("what", std::string()), "limits count on this host alone until it is back"});
  }
  check_secret("redis.password_file", config.redis_password_file, findings);
  check_secret("pepper_file", config.pepper_file, findings);
}

}  // namespace sluice::app
