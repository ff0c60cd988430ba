#include "app/redaction.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/text.h"
#include "facts/fact.h"

namespace sluice::app {
namespace {

// RFC 5321 atext and the dot; bytes beyond ASCII (RFC 6531) too.
bool is_local_octet(char c) {
  const auto octet = static_cast<unsigned char>(c);
  return octet >= 0x80 || std::isalnum(octet) != 0 ||
         std::strchr("!#$%&'*+-/=?^_`{|}~.", c) != nullptr;
}

// "per-sender sender.address=ann@far.example": what stands behind a fact's name begins there, although
// `=` may be in a local part (SRS0=hash=tt=far.example=ann).
bool is_behind_fact_name(std::string_view before) {
  if (before.empty() || before.back() != '=') return false;
  before.remove_suffix(1);
  std::size_t begin = before.size();
  bool has_dot = false;
  while (begin > 0 && (std::islower(static_cast<unsigned char>(before[begin - 1])) != 0 ||
                       before[begin - 1] == '_' || before[begin - 1] == '.')) {
    --begin;
    has_dot = has_dot || before[begin] == '.';
  }
  return has_dot && (begin == 0 || before[begin - 1] == ' ' || before[begin - 1] == ',');
}

bool is_personal(policy::Kind kind) {
  return kind == policy::Kind::Text || kind == policy::Kind::Address ||
         kind == policy::Kind::List || kind == policy::Kind::Record;
}

Result<SipKey> read_key(const std::string& path) {
  std::array<std::uint64_t, 2> words{};
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    const ssize_t n = ::read(fd, words.data(), sizeof words);
    ::close(fd);
    if (n == sizeof words) return SipKey{words[0], words[1]};
    return config_error(path + " is damaged; remove it to have a new one made");
  }
  if (::getrandom(words.data(), sizeof words, 0) != sizeof words)
    return temporary("no random numbers");
  fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const bool written = fd >= 0 && ::write(fd, words.data(), sizeof words) == sizeof words;
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (!written) return temporary(path + ": " + std::strerror(error));
  return SipKey{words[0], words[1]};
}

}  // namespace

Result<Redaction> Redaction::open(const std::string& word, const std::string& folder) {
  if (word == "domain") return Redaction(Keep::Domain);
  if (word != "hash") return Redaction(Keep::All);
  const auto key = read_key((std::filesystem::path(folder) / "history.key").string());
  if (!key) return tl::unexpected(key.error());
  return Redaction(Keep::Hash, *key);
}

std::string Redaction::local_part(std::string_view local) const {
  if (keep_ == Keep::All || local.empty()) return std::string(local);
  if (keep_ == Keep::Domain) return {};
  return fmt::format("h:{:012x}", siphash13(key_, fold(local)) >> 16);
}

std::string Redaction::addresses(std::string_view text) const {
  if (keep_ == Keep::All) return std::string(text);
  std::string out;
  std::size_t done = 0;
  for (std::size_t at = text.find('@'); at != std::string_view::npos; at = text.find('@', at + 1)) {
    std::size_t begin = at;
    if (begin > done && text[begin - 1] == '"') {  // a quoted local part
      const std::size_t quote = text.rfind('"', begin - 2);
      if (begin >= 2 && quote != std::string_view::npos && quote >= done) begin = quote;
    }
    while (begin > done && is_local_octet(text[begin - 1])) --begin;
    out.append(text.substr(done, begin - done));
    out += local_part(text.substr(begin, at - begin));
    done = at;
  }
  return out.append(text.substr(done));
}

std::string Redaction::login(std::string_view user) const {
  if (keep_ == Keep::All || user.empty()) return std::string(user);
  if (user.find('@') != std::string_view::npos) return addresses(user);
  return keep_ == Keep::Domain ? "-" : local_part(user);
}

std::string Redaction::value(const std::string& fact, std::string_view text) const {
  if (keep_ == Keep::All || text == "none" || text == "unknown") return std::string(text);
  const facts::Fact* known = facts::find_fact(fact);
  if (known != nullptr && !is_personal(known->signature.type.kind)) return std::string(text);
  const bool is_client = fact.compare(0, 7, "client.") == 0 || fact.compare(0, 5, "helo.") == 0;
  if (is_client) return std::string(text);
  if (known != nullptr && known->signature.type.kind == policy::Kind::Address)
    return addresses(text);
  return "(left out)";
}

bool mentions_address(std::string_view text, std::string_view address) {
  if (address.empty()) return false;
  const std::string in = fold(text), wanted = fold(address);
  for (std::size_t at = in.find(wanted); at != std::string::npos; at = in.find(wanted, at + 1)) {
    const bool begins = at == 0 || !is_local_octet(in[at - 1]) ||
                        is_behind_fact_name(std::string_view(in).substr(0, at));
    const std::size_t end = at + wanted.size();
    const bool ends =
        end == in.size() || !(std::isalnum(static_cast<unsigned char>(in[end])) != 0 ||
                              in[end] == '-' ||
                              (in[end] == '.' && end + 1 < in.size() &&
                               std::isalnum(static_cast<unsigned char>(in[end + 1])) != 0));
    if (begins && ends) return true;
  }
  return false;
}

}  // namespace sluice::app
