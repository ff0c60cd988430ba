// A Fact: how one word of the vocabulary is found out. A fact has no effects and never blocks: it
// gives a value, or it asks (DNS, scanner, another fact) and is called again when the answers are
// there. Same inputs, same value.
//
// A new fact is one entry in one file of src/facts/, its line in facts.def, a test and a page in
// docs/facts/.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/callout.h"
#include "backends/dns_resolver.h"
#include "backends/scanner.h"
#include "base/clock.h"
#include "mail/session_view.h"
#include "policy/program.h"
#include "policy/value.h"
#include "policy/vocabulary.h"

namespace sluice::facts {

inline constexpr int kMaxDnsLookups =
    60;  // of one transaction over all facts; beyond it facts are unknown (budget)

inline constexpr int kMaxCallouts = 100;  // of one transaction; beyond it unknown (budget)

class GeoDatabase;  // facts/geo_database.h

// How DMARC finds the organizational domain: RFC 9989's walk, or the list of public suffixes.
enum class OrganizationalDomain : std::uint8_t { TreeWalk, PublicSuffixList };

// What the site says once, for all facts.
struct FactSettings {
  std::vector<Network> trusted_relays;
  std::string delimiters = "+";  // addresses: {delimiter: "+"}
  bool fold_local_part = true;
  std::shared_ptr<const GeoDatabase> country, asn;  // null: the facts are none
  std::string server_name;                          // when the MTA does not tell
  OrganizationalDomain organizational_domain = OrganizationalDomain::TreeWalk;
  // Each accepted message gets an Authentication-Results field of this name; empty: none does.
  std::string authserv_id;
};

struct RecipientCounts {
  int accepted = 0;  // this one included
  int tried = 0;     // this one included
  int failed = 0;
};

class MessageContent;     // parsed once per message (facts/message_content.h)
class MessageSignatures;  // fed while the message arrives (facts/message_signatures.h)

// Everything a fact may look at. Pointers are null before their stage.
class FactContext {
 public:
  virtual ~FactContext() = default;
  virtual const mail::Connection& connection() const = 0;
  virtual const mail::Tls& tls() const = 0;
  virtual const std::string* helo() const = 0;
  virtual const mail::Envelope* envelope() const = 0;
  virtual const mail::Recipient* recipient() const = 0;  // the one asked for (kNoElement: none)
  virtual const RecipientCounts* recipient_counts() const = 0;
  virtual const std::vector<mail::Recipient>& accepted_recipients() const = 0;
  virtual const mail::Message* message() const = 0;
  // The parsed message, made at the first call; null before stage headers. At stage headers it has
  // no body.
  virtual const MessageContent* content() = 0;
  // At stage end: the signatures of the message. Null when nothing of the policy needs them.
  virtual MessageSignatures* signatures() = 0;
  virtual const std::string* profile() const = 0;  // message.profile
  virtual double score() const = 0;
  virtual int unknown_commands() const = 0;
  virtual const std::string& command() const = 0;
  virtual TimePoint now() const = 0;  // of this event
  virtual const std::string& timezone() const = 0;
  virtual const FactSettings& settings() const = 0;
  virtual const policy::Program& program() const = 0;

  // What has to be asked. nullptr: not there yet, the request is noted. At the deadline they answer
  // with Timeout.
  virtual const backends::DnsAnswer* dns(std::string_view name, backends::DnsType type) = 0;
  virtual const backends::SpamAnswer* spam() = 0;
  virtual const backends::VirusAnswer* virus() = 0;
  virtual const backends::CalloutAnswer* callout(const backends::CalloutQuestion& question) = 0;
  // client.first_seen: looked up in the state store. Empty optional inside: never seen.
  virtual const std::optional<TimePoint>* first_seen(const IpAddress& client) = 0;
  // Another fact by name, whether the policy names it or not; same recipient. nullptr: pending.
  virtual const policy::Value* fact(std::string_view name) = 0;
};

// nullopt: pending.
using Outcome = std::optional<policy::Value>;

struct Fact {
  policy::FactSignature signature;
  Outcome (*resolve)(FactContext& context);
};

// All built-in facts, sorted by name. dnsbl.NAME facts are made per program: see resolve_dnsbl.
const std::vector<Fact>& all_facts();
const Fact* find_fact(std::string_view name);
// The facts of each file of facts.def, in its order.
std::vector<std::pair<std::string, std::vector<Fact>>> facts_by_file();
// The built-in facts as the type check reads them.
const policy::Vocabulary& built_in_vocabulary();

// dnsbl.NAME (Bool, `is hit`), used with policy::UsedFact::Origin::Dnsbl.
Outcome resolve_dnsbl(const policy::Dnsbl& list, FactContext& context);

// DnsStatus of a failed look-up as the reason of unknown.
policy::Unknown unknown_of(backends::DnsStatus status);

}  // namespace sluice::facts
