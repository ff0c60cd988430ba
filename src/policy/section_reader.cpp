#include "policy/section_reader.h"

#include <algorithm>
#include <array>

#include "policy/action_parser.h"

namespace sluice::policy {
namespace {

constexpr std::array<std::string_view, 6> kDefaultKeys{"mode",     "on_unknown",  "on_error",
                                                       "reply_at", "reply_codes", "help"};
constexpr std::array<std::string_view, 3> kModes{"enforce", "shadow", "disabled"};
constexpr std::array<std::string_view, 3> kOnErrors{"local", "skip", "defer"};
constexpr std::array<std::string_view, 2> kReplyAts{"stage", "rcpt"};
constexpr std::array<std::string_view, 2> kReplyCodes{"table", "rfc"};
constexpr std::array<std::string_view, 5> kListKeys{"type", "items", "file", "dynamic",
                                                    "description"};
constexpr std::array<std::string_view, 1> kExtensionKeys{"extend"};
constexpr std::array<std::string_view, 5> kTableKeys{"key", "value", "items", "file",
                                                     "description"};
constexpr std::array<std::string_view, 5> kDnsblKeys{"zone", "of", "hit", "error", "description"};
constexpr std::array<std::string_view, 3> kOfs{"client.ip", "sender.domain", "helo.name"};
constexpr std::array<std::string_view, 3> kFactKeys{"type", "args", "description"};
constexpr std::array<std::string_view, 3> kServiceFactKeys{"http", "timeout", "cache"};
constexpr std::array<std::string_view, 4> kRecipientKeys{"profile", "split", "mixed", "order"};
constexpr std::array<std::string_view, 2> kSplits{"never", "unauthenticated"};
constexpr std::array<std::string_view, 3> kMixeds{"first", "strictest", "laxest"};

template <class T>
void set_word(SchemaReader& reader, T& target, const YamlEntry& e, Words words) {
  if (const auto index = reader.word(e, words)) target = static_cast<T>(*index);
}

}  // namespace

void SectionReader::require(const YamlEntry& e, std::string_view key, std::string_view what) {
  if (!e.second.find(key)) reader_.missing_key(e.first.whole(), key, what);
}

void SectionReader::defaults(const YamlEntry& e) {
  if (!reader_.map(e)) return;
  reader_.entries(e.second, kDefaultKeys, "`defaults`",
                  [this](const YamlEntry& entry, std::size_t index) {
                    FileSource& file = own_file();
                    file.origin[entry.first.text] = entry.first.whole();
                    if (index == 0) set_word(reader_, file.mode, entry, kModes);
                    if (index == 2) set_word(reader_, file.on_error, entry, kOnErrors);
                    if (index == 3) set_word(reader_, file.reply_at, entry, kReplyAts);
                    if (index == 4) set_word(reader_, file.reply_codes, entry, kReplyCodes);
                    if (index != 1 && index != 5) return;
                    const Scalar* scalar = reader_.text(entry);
                    if (!scalar) return;
                    if (index == 5)
                      file.help = *scalar;
                    else if (auto parsed = parse_on_unknown(*scalar, reader_.diagnostics()))
                      file.on_unknown = *parsed;
                  });
}

bool SectionReader::is_new(const Scalar& name, std::string_view what) {
  const SourceSpan* first = nullptr;
  for (const ListSource& list : source_.lists)
    if (list.file == file_ && list.name == name.text) first = &list.span;
  for (const TableSource& table : source_.tables)
    if (table.file == file_ && table.name == name.text) first = &table.span;
  if (!first) return true;
  reader_.diagnostics().error("E104", name.whole(),
                              std::string(what) + " is named " + quoted_name(name.text) +
                                  " like the one in line " + std::to_string(first->line));
  return false;
}

void SectionReader::lists(YamlEntry& e) {
  if (!reader_.map(e)) return;
  for (YamlEntry& entry : e.second.entries) {
    if (!reader_.map(entry)) continue;
    if (entry.first.text.find('/') != std::string::npos || entry.second.find("extend"))
      extension(entry);
    else
      list(entry);
  }
}

void SectionReader::extension(YamlEntry& e) {
  reader_.entries(e.second, kExtensionKeys, "an extended list",
                  [](const YamlEntry&, std::size_t) {});
  require(e, kExtensionKeys[0], "an included list");
  for (YamlEntry& entry : e.second.entries)
    if (entry.first.text == kExtensionKeys[0] && reader_.sequence(entry))
      extensions_.push_back({e.first, false, std::move(entry.second.items), {}});
}

void SectionReader::list_types(ListSource& list, const YamlEntry& e) {
  list.is_pair = e.second.kind == YamlNode::Kind::Sequence;
  for (const YamlNode* node : reader_.texts(e)) list.types.push_back(node->scalar);
}

void SectionReader::list(YamlEntry& e) {
  if (!reader_.name(e.first, "a list") || !is_new(e.first, "a list")) return;
  ListSource list;
  list.file = file_;
  list.name = e.first.text;
  list.span = e.first.whole();
  reader_.entries(e.second, kListKeys, "a list", [&](const YamlEntry& entry, std::size_t index) {
    if (index == 0) list_types(list, entry);
    if (index == 1) reader_.sequence(entry);
    if (index == 3) list.dynamic = reader_.boolean(entry).value_or(false);
    if (index != 2) return;
    for (const YamlNode* node : reader_.texts(entry)) list.paths.push_back(node->scalar);
  });
  require(e, "type", "a list");
  const bool filled = e.second.find("items") || e.second.find("file");
  if (!filled && !list.dynamic)
    reader_.missing_key(e.first.whole(), "items", "a list", ", `file` or `dynamic: true`");
  if (filled && list.dynamic)
    reader_.wrong(
        e.first.whole(),
        "a dynamic list has no `items` and no `file`: it is filled by rules and commands");
  if (list.dynamic && list.types.size() > 1)
    reader_.wrong(e.first.whole(),
                  "a dynamic list has one type; what belongs together is remembered by `seen([a, b], "
                  "30d)`, or by a list of text for each");
  for (YamlEntry& entry : e.second.entries)
    if (entry.first.text == "items") list.items = std::move(entry.second.items);
  source_.lists.push_back(std::move(list));
}

void SectionReader::tables(YamlEntry& e) {
  if (!reader_.map(e)) return;
  for (YamlEntry& entry : e.second.entries) {
    if (!reader_.map(entry)) continue;
    if (entry.first.text.find('/') != std::string::npos || entry.second.find("extend"))
      table_extension(entry);
    else
      table(entry);
  }
}

void SectionReader::table_extension(YamlEntry& e) {
  reader_.entries(e.second, kExtensionKeys, "an extended table",
                  [](const YamlEntry&, std::size_t) {});
  require(e, kExtensionKeys[0], "an included table");
  for (YamlEntry& entry : e.second.entries)
    if (entry.first.text == kExtensionKeys[0] && reader_.map(entry))
      extensions_.push_back({e.first, true, {}, std::move(entry.second.entries)});
}

void SectionReader::table(YamlEntry& e) {
  if (!reader_.name(e.first, "a table") || !is_new(e.first, "a table")) return;
  TableSource table;
  table.file = file_;
  table.name = e.first.text;
  table.span = e.first.whole();
  bool good = true;
  reader_.entries(e.second, kTableKeys, "a table", [&](const YamlEntry& entry, std::size_t index) {
    if (index == 2 || index == 4) return;
    const Scalar* scalar = reader_.text(entry);
    if (!scalar)
      good = false;
    else if (index == 3)
      table.path = *scalar;
    else
      (index == 0 ? table.key_type : table.value_type) = *scalar;
  });
  for (YamlEntry& entry : e.second.entries)
    if (entry.first.text == "items" && reader_.map(entry)) table_items(table, entry);
  require(e, "key", "a table");
  require(e, "value", "a table");
  if (!e.second.find("items") && !e.second.find("file"))
    reader_.missing_key(e.first.whole(), "items", "a table", " or `file`");
  good = good && e.second.find("key") && e.second.find("value");
  if (good) source_.tables.push_back(std::move(table));
}

void SectionReader::table_items(TableSource& table, YamlEntry& e) {
  table.items.reserve(e.second.entries.size());
  for (YamlEntry& item : e.second.entries) {
    if (item.second.is_null())
      reader_.wrong(item.first.whole(), quoted_name(item.first.text) + " has no value");
    else
      table.items.emplace_back(std::move(item.first), std::move(item.second));
  }
}

void SectionReader::dnsbl(const YamlEntry& e) {
  if (!reader_.map(e)) return;
  for (const YamlEntry& entry : e.second.entries)
    if (reader_.name(entry.first, "a DNS list") && reader_.map(entry)) dnsbl_list(entry);
}

void SectionReader::dnsbl_list(const YamlEntry& e) {
  DnsblSource list;
  list.file = file_;
  list.name = e.first.text;
  list.span = e.first.whole();
  reader_.entries(e.second, kDnsblKeys, "a DNS list",
                  [&](const YamlEntry& entry, std::size_t index) {
                    const Scalar* scalar = reader_.text(entry);
                    if (!scalar) return;
                    if (index == 0) list.zone = *scalar;
                    if (index == 1 && reader_.word(entry, kOfs)) list.of = *scalar;
                    if (index == 2) list.hit = *scalar;
                    if (index == 3) list.error = *scalar;
                  });
  require(e, "zone", "a DNS list");
  require(e, "of", "a DNS list");
  if (!list.zone.text.empty() && !list.of.text.empty()) source_.dnsbls.push_back(std::move(list));
}

void SectionReader::facts(const YamlEntry& e) {
  if (!reader_.map(e)) return;
  for (const YamlEntry& entry : e.second.entries)
    if (reader_.name(entry.first, "a fact") && reader_.map(entry)) fact(entry);
}

void SectionReader::fact(const YamlEntry& e) {
  DeclaredFactSource fact;
  fact.file = file_;
  fact.name = e.first;
  for (const YamlEntry& entry : e.second.entries) {
    const std::string& key = entry.first.text;
    if (std::find(kServiceFactKeys.begin(), kServiceFactKeys.end(), key) !=
        kServiceFactKeys.end()) {
      reader_.diagnostics().error(
          "E102", entry.first.whole(),
          quoted_name(key) +
              " belongs to `facts` of the service configuration; here stand `type` and `args`");
    } else if (key == "type") {
      if (const Scalar* scalar = reader_.text(entry)) fact.type = *scalar;
    } else if (key == "args") {
      if (!entry.second.items.empty() || entry.second.kind != YamlNode::Kind::Sequence)
        for (const YamlNode* node : reader_.texts(entry)) fact.args.push_back(node->scalar);
    } else if (key != "description") {
      reader_.unknown_key(entry.first, kFactKeys, "a declared fact");
    }
  }
  require(e, "type", "a declared fact");
  if (!fact.type.text.empty()) source_.facts.push_back(std::move(fact));
}

void SectionReader::let(const YamlEntry& e) {
  if (!reader_.map(e)) return;
  for (const YamlEntry& entry : e.second.entries) {
    if (!reader_.name(entry.first, "an abbreviation")) continue;
    auto expression = reader_.expression(entry);
    if (expression)
      source_.lets.push_back(
          {file_, entry.first.text, entry.first.whole(), std::move(*expression)});
  }
}

void SectionReader::recipients(const YamlEntry& e) {
  if (!reader_.map(e)) return;
  if (source_.recipients) {
    const SourceSpan& first = source_.recipients->span;
    reader_.diagnostics().error("E104", e.first.whole(),
                                "`recipients` belongs to the whole bundle and stands in " +
                                    first.file->name() + ':' + std::to_string(first.line) +
                                    " already");
    return;
  }
  RecipientsSource recipients;
  recipients.file = file_;
  recipients.span = e.first.whole();
  reader_.entries(e.second, kRecipientKeys, "`recipients`",
                  [&](const YamlEntry& entry, std::size_t index) {
                    if (index == 0) recipients.profile = reader_.expression(entry);
                    if (index == 1 && reader_.word(entry, kSplits))
                      recipients.split = entry.second.scalar;
                    if (index == 2 && reader_.word(entry, kMixeds))
                      recipients.mixed = entry.second.scalar;
                    if (index != 3) return;
                    for (const YamlNode* node : reader_.texts(entry))
                      recipients.order.push_back(node->scalar);
                  });
  require(e, "profile", "`recipients`");
  if (recipients.mixed && recipients.mixed->text != "first" && !e.second.find("order"))
    reader_.missing_key(recipients.mixed->whole(), "order",
                        "`mixed: " + recipients.mixed->text + "`", ", the strictest profile first");
  source_.recipients = std::move(recipients);
}

void SectionReader::timezone(const YamlEntry& e) {
  const Scalar* scalar = reader_.text(e);
  if (!scalar) return;
  if (source_.timezone && source_.timezone->text != scalar->text) {
    const SourceSpan& first = source_.timezone->begin;
    reader_.diagnostics().error("E104", scalar->whole(),
                                "`timezone` belongs to the whole bundle and is " +
                                    quoted_name(source_.timezone->text) + " in " +
                                    first.file->name() + ':' + std::to_string(first.line));
    return;
  }
  source_.timezone = *scalar;
}

}  // namespace sluice::policy
