// Macros: what the MTA tells beside the arguments of a command, by name. Asked for by name at
// negotiation, because the defaults of Postfix and Sendmail differ; what an MTA never sends is
// simply absent.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "mail/session_view.h"

namespace sluice::milter {

// Value of a macro ("j", "{client_addr}") at this moment; nullptr when the MTA did not send it.
class MacroSource {
 public:
  virtual ~MacroSource() = default;
  virtual const char* macro(const char* name) const = 0;
};

// One list per step, as smfi_setsymlist and the wire protocol want them.
struct MacroLists {
  static constexpr const char* kConnect =
      "j {daemon_name} {daemon_addr} {daemon_port} {client_addr} {client_name} {client_ptr} "
      "{client_port} {client_resolve} "
      "{client_connections} {if_addr} v _";
  static constexpr const char* kHelo = "{tls_version} {cipher_bits} {cert_subject} {verify}";
  static constexpr const char* kMail =
      "i {auth_type} {auth_authen} {tls_version} {cipher_bits} {cert_subject} {verify} "
      "{mail_mailer} {mail_host} {mail_addr}";
  static constexpr const char* kRcpt = "i {rcpt_mailer} {rcpt_host} {rcpt_addr}";
  static constexpr const char* kData = "i";
  static constexpr const char* kEndOfHeaders = "i";
  static constexpr const char* kEndOfMessage = "i {msg_id}";
};

// Fills what macros say about the connection; client_ip and the host name come from the connect
// step itself.
void fill_connection(const MacroSource& macros, mail::Connection& connection);
mail::Tls tls_of(const MacroSource& macros);
std::optional<mail::Login> login_of(const MacroSource& macros);
std::string queue_id_of(const MacroSource& macros);
// Refused by the MTA itself (SMFIP_RCPT_REJ): {rcpt_mailer} is "error".
void fill_recipient(const MacroSource& macros, mail::Recipient& recipient);

// CN of an X.509 subject as the MTAs write it: "/O=Test/CN=client+20cert" (Sendmail) or the bare
// name (Postfix).
std::string common_name(std::string_view subject);

}  // namespace sluice::milter
