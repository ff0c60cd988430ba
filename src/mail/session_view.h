// What an MTA has told about a session so far: plain values, filled by a front end, read by facts. Nothing here decides.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"

namespace sluice::mail {

// Outcome of the MTA's own reverse look-up (macro {client_resolve}).
enum class ClientResolve : std::uint8_t { Unknown, Ok, NoName, Forged, TempFail };

// RFC 5321 3.1: one SMTP session. An address may be missing (sendmail -bs on a pipe).
struct Connection {
  std::optional<IpAddress> client_ip;
  std::uint16_t client_port = 0;
  std::string client_name;                 // as the MTA gives it, "unknown" or "[ip]" included
  std::optional<std::string> client_ptr;   // unverified name
  ClientResolve resolve = ClientResolve::Unknown;
  std::string server_name;                 // macro j
  std::optional<IpAddress> server_ip;
  std::optional<std::uint16_t> server_port;
  std::optional<int> client_connections;   // open now, as the MTA counts
};

struct Tls {
  bool active = false;
  std::string version;                     // "TLSv1.3"
  std::optional<int> cipher_bits;
  bool verified = false;
  std::optional<std::string> cert_cn;
};

struct Login {                             // after a successful AUTH
  std::string user;
  std::string method;
};

struct Recipient {
  std::string path;                        // as sent, with brackets if they came
  std::vector<std::string> parameters;     // "NOTIFY=NEVER", …
  bool refused_by_mta = false;             // told by SMFIP_RCPT_REJ
  std::string mta_reason;
};

struct Envelope {
  std::string sender_path;                 // as sent; "<>" is the null sender
  std::vector<std::string> parameters;     // "SIZE=1200", "BODY=8BITMIME", "SMTPUTF8", …
  std::optional<Login> login;
  std::string queue_id;                    // empty until the MTA tells it
};

struct Header {
  std::string name;
  std::string value;                       // as sent, continuation lines with "\n" and their blanks
};

struct Message {
  std::vector<Header> headers;             // at most resources.headers are kept
  std::size_t headers_total = 0;           // how many came
  std::size_t headers_bytes = 0;           // of the whole header block
  std::string body;                        // at most resources.body bytes are kept
  std::size_t body_bytes = 0;              // how many came
  bool body_truncated = false;
};

}  // namespace sluice::mail
