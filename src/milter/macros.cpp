#include "milter/macros.h"

#include <array>
#include <charconv>

#include "base/hex.h"

namespace sluice::milter {
namespace {

constexpr std::size_t kMaxMacro = 1'024;  // bytes of one value; the rest is cut

std::string text(const MacroSource& macros, const char* name) {
  const char* value = macros.macro(name);
  return value != nullptr ? std::string(std::string_view(value).substr(0, kMaxMacro))
                          : std::string();
}

template <class Number>
std::optional<Number> number(const MacroSource& macros, const char* name) {
  const std::string value = text(macros, name);
  Number result{};
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
  if (value.empty() || error != std::errc() || end != value.data() + value.size())
    return std::nullopt;
  return result;
}

mail::ClientResolve resolve_of(std::string_view word) {
  struct Row {
    std::string_view word;
    mail::ClientResolve resolve;
  };
  static constexpr std::array<Row, 4> kRows{{{"OK", mail::ClientResolve::Ok},
                                             {"FAIL", mail::ClientResolve::NoName},
                                             {"FORGED", mail::ClientResolve::Forged},
                                             {"TEMP", mail::ClientResolve::TempFail}}};
  for (const Row& row : kRows)
    if (row.word == word) return row.resolve;
  return mail::ClientResolve::Unknown;
}

// Sendmail writes bytes of names as +XX.
std::string decode_plus(std::string_view name) {
  std::string result;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const int high = i + 2 < name.size() && name[i] == '+' ? hex_digit(name[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(name[i + 2]) : -1;
    if (low >= 0) {
      result += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      result += name[i];
    }
  }
  return result;
}

}  // namespace

void fill_connection(const MacroSource& macros, mail::Connection& connection) {
  if (const std::string name = text(macros, "{client_name}"); !name.empty())
    connection.client_name = name;
  if (const std::string ptr = text(macros, "{client_ptr}"); !ptr.empty())
    connection.client_ptr = ptr;
  connection.resolve = resolve_of(text(macros, "{client_resolve}"));
  // A forged or failed name is "unknown" in {client_name}; {client_ptr} keeps what the PTR record
  // said.
  if (connection.client_ptr == "unknown") connection.client_ptr.reset();
  if (const auto port = number<std::uint16_t>(macros, "{client_port}"))
    connection.client_port = *port;
  connection.server_name = text(macros, "j");
  connection.server_ip = IpAddress::parse(text(macros, "{daemon_addr}"));
  connection.server_port = number<std::uint16_t>(macros, "{daemon_port}");
  // Postfix says 0 for clients that it does not count.
  if (const auto open = number<int>(macros, "{client_connections}"); open && *open > 0)
    connection.client_connections = open;
}

mail::Tls tls_of(const MacroSource& macros) {
  mail::Tls tls;
  tls.version = text(macros, "{tls_version}");
  tls.active = !tls.version.empty();
  if (!tls.active) return tls;
  tls.cipher_bits = number<int>(macros, "{cipher_bits}");
  const std::string subject = text(macros, "{cert_subject}");
  // Sendmail tells of every certificate and says in {verify} whether it is good; Postfix tells only
  // of verified ones.
  const char* verify = macros.macro("{verify}");
  tls.verified = verify != nullptr ? std::string_view(verify) == "OK" : !subject.empty();
  if (tls.verified && !subject.empty()) tls.cert_cn = common_name(subject);
  return tls;
}

std::optional<mail::Login> login_of(const MacroSource& macros) {
  std::string user = text(macros, "{auth_authen}");
  if (user.empty()) return std::nullopt;
  return mail::Login{std::move(user), text(macros, "{auth_type}")};
}

std::string queue_id_of(const MacroSource& macros) { return text(macros, "i"); }

void fill_recipient(const MacroSource& macros, mail::Recipient& recipient) {
  recipient.refused_by_mta = text(macros, "{rcpt_mailer}") == "error";
  if (recipient.refused_by_mta) recipient.mta_reason = text(macros, "{rcpt_addr}");
}

std::string common_name(std::string_view subject) {
  const std::size_t at = subject.rfind("/CN=");
  if (at == std::string_view::npos) return std::string(subject);
  const std::string_view name = subject.substr(at + 4);
  return decode_plus(name.substr(0, name.find('/')));
}

}  // namespace sluice::milter
