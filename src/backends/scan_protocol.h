// ScanProtocol: how one kind of scanner is spoken to, as text; who connects, waits and tries again
// is ScanDesk. Replies are hostile until read: every size has a cap.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "backends/scanner.h"
#include "base/result.h"

namespace sluice::backends {

inline constexpr std::size_t kMaxSpamdReply = 64 * 1024;
inline constexpr std::size_t kMaxRspamdReply = 1024 * 1024;
inline constexpr int kMaxRspamdDepth = 32;
inline constexpr std::size_t kMaxClamdReply = 4096;
inline constexpr std::size_t kMaxSymbols = 500;  // of one answer; the rest is left out
inline constexpr std::size_t kMaxSymbol = 200;   // bytes of a symbol, an action or a virus's name
inline constexpr std::size_t kMaxScanField = 1000;      // bytes of one field of a request
inline constexpr std::size_t kMaxRecipientsTold = 100;  // rspamd takes 80 kB of fields

// What a scanner of either kind found; the other half stays unavailable.
struct ScanFindings {
  SpamAnswer spam;
  VirusAnswer virus;
};

// One reply, read in pieces. Error{Temporary}: this server cannot be used now, another may.
// Error{Permanent}: the scanner says that it does not scan this message.
class ScanReply {
 public:
  virtual ~ScanReply() = default;
  using Outcome = std::optional<Result<ScanFindings>>;  // empty: more has to come
  virtual Outcome feed(std::string_view bytes) = 0;
  // The server has closed.
  virtual Result<ScanFindings> close() = 0;
};

// Stateless. Threads: any.
class ScanProtocol {
 public:
  virtual ~ScanProtocol() = default;
  virtual std::string_view name() const = 0;  // "clamd", for status and log
  // What goes before the message. message_bytes: of all of it; 0 when it is not known yet.
  virtual std::string head(const ScanEnvelope& envelope, std::size_t message_bytes) const = 0;
  // A piece of the message, never empty, and what goes behind the last.
  virtual std::string piece(const std::string& bytes) const { return bytes; }
  virtual std::string tail() const { return {}; }
  virtual std::unique_ptr<ScanReply> reply() const = 0;
};

// SpamAssassin's spamd: SYMBOLS of SPAMC/1.5. A Return-Path goes before the message: it is where
// SpamAssassin looks for the envelope's sender.
std::unique_ptr<ScanProtocol> make_spamd_protocol();
// rspamd: POST /checkv2 of a worker "normal" (or of the controller).
std::unique_ptr<ScanProtocol> make_rspamd_protocol();
// ClamAV's clamd: zINSTREAM.
std::unique_ptr<ScanProtocol> make_clamd_protocol();

// The value of a field of a request: controls are `?`, at most kMaxScanField bytes.
std::string scan_field(std::string_view value);
// A word of a reply as rules and logs may see it: printable ASCII, at most kMaxSymbol bytes.
std::string scan_word(std::string_view word);

}  // namespace sluice::backends
