#include "policy/list_loader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>

#include "base/text.h"

namespace sluice::policy {
namespace {

constexpr std::size_t kMaxComplaints = 20;  // about one file

struct KindDescription {
  Kind kind;
  std::string_view text;
};
constexpr KindDescription kDescriptions[] = {
    {Kind::Bool, "true or false"},       {Kind::Int, "a whole number"},
    {Kind::Float, "a number"},           {Kind::Text, "a text"},
    {Kind::Domain, "a domain"},          {Kind::Address, "a mail address"},
    {Kind::Ip, "an IP address"},         {Kind::Cidr, "an IP address or network"},
    {Kind::Duration, "a duration (5m)"}, {Kind::Size, "a size (25MB)"},
    {Kind::Rate, "a rate (100/1h)"},     {Kind::Clock, "a time of day (22:30)"},
    {Kind::Datetime, "a date and time"}, {Kind::Enum, "one of the words of its type"},
};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view without_comment(std::string_view line) {
  for (std::size_t at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1))
    if (at == 0 || is_blank(line[at - 1])) return line.substr(0, at);
  return line;
}

std::vector<std::string_view> words_of(std::string_view text, bool commas) {
  std::vector<std::string_view> words;
  const auto separates = [commas](char c) { return is_blank(c) || (commas && c == ','); };
  for (std::size_t at = 0; at < text.size();) {
    while (at < text.size() && separates(text[at])) ++at;
    const std::size_t begin = at;
    while (at < text.size() && !separates(text[at])) ++at;
    if (at > begin) words.push_back(text.substr(begin, at - begin));
  }
  return words;
}

std::string resolved(const Scalar& path) {
  const std::filesystem::path written(path.text);
  if (written.is_absolute() || !path.begin.file) return path.text;
  return (std::filesystem::path(path.begin.file->name()).parent_path() / written).string();
}

// A file of items: its text once, and places in it made only for complaints.
class ItemFile {
 public:
  ItemFile(const Scalar& path, Findings& findings) : name_(resolved(path)), findings_(findings) {
    read(path);
  }

  const std::string& name() const { return name_; }
  const std::string& text() const { return text_; }
  bool readable() const { return readable_; }
  // Runs `each` for every line that holds something; its words are complained about with
  // complain().
  template <class Each>
  void for_each_line(Each each) {
    line_ = 0;
    for (std::size_t at = 0; at < text_.size();) {
      const std::size_t end = std::min(text_.find('\n', at), text_.size());
      ++line_;
      line_start_ = at;
      const std::string_view item =
          trimmed(without_comment(std::string_view(text_).substr(at, end - at)));
      if (!item.empty()) each(item);
      at = end + 1;
    }
  }
  void complain(std::string_view part, std::string message) {
    if (++complaints_ > kMaxComplaints) return;
    if (!shown_) shown_ = std::make_shared<const SourceFile>(name_, text_);
    SourceSpan span{shown_, line_, 1, static_cast<std::uint32_t>(part.size())};
    span.column = static_cast<std::uint32_t>(part.data() - text_.data() -
                                             static_cast<std::ptrdiff_t>(line_start_)) +
                  1;
    findings_.error("E203", span, std::move(message));
  }
  std::size_t complaints() const { return complaints_; }
  // Its text is not needed any more; a large one is not held beside what is made from it.
  void release() { text_ = {}; }

 private:
  void read(const Scalar& path) {
    std::error_code error;
    const auto size = std::filesystem::file_size(name_, error);
    std::ifstream in(name_, std::ios::binary);
    if (error || !in) {
      const std::string why = error ? error.message() : std::strerror(errno);
      findings_.error("E804", path.whole(), "list file `" + name_ + "` cannot be read: " + why);
      return;
    }
    if (size > kMaxListFileBytes) {
      findings_.error("E804", path.whole(),
                      "list file `" + name_ + "` is larger than " + render_size(kMaxListFileBytes));
      return;
    }
    text_.resize(size);
    in.read(text_.data(), static_cast<std::streamsize>(size));
    text_.resize(static_cast<std::size_t>(in.gcount()));
    readable_ = true;
  }

  std::string name_, text_;
  Findings& findings_;
  bool readable_ = false;
  std::uint32_t line_ = 0;
  std::size_t line_start_ = 0;
  std::size_t complaints_ = 0;
  SourceFilePtr shown_;
};

std::string not_of_kind(std::string_view text, Kind kind) {
  return "`" + std::string(text.substr(0, 80)) + "` is not " + std::string(kind_description(kind));
}

void add_to_hash(ContentHash& hash, const YamlNode& node) {
  hash.add(node.scalar.text);
  for (const YamlNode& item : node.items) add_to_hash(hash, item);
}

// ---- lists ----

std::string types_text(const std::vector<Kind>& types) {
  std::string text;
  for (const Kind kind : types) text.append(text.empty() ? "" : ", ").append(kind_name(kind));
  return text;
}

bool add_item(StaticList& list, const YamlNode& item, Findings& findings) {
  const bool tuple = list.types().size() > 1;
  std::vector<std::string_view> parts;
  for (const YamlNode& part : item.items) parts.push_back(part.scalar.text);
  const bool added = tuple ? item.kind == YamlNode::Kind::Sequence && list.add_tuple(parts)
                           : item.kind == YamlNode::Kind::Scalar && list.add(item.scalar.text);
  if (added) return true;
  const SourceSpan span = item.kind == YamlNode::Kind::Scalar ? item.scalar.whole() : item.span;
  findings.error("E203", span,
                 tuple ? "this item is not [" + types_text(list.types()) + "]"
                       : not_of_kind(item.scalar.text, list.types().front()));
  return false;
}

bool add_file(StaticList& list, ItemFile& file) {
  const bool tuple = list.types().size() > 1;
  file.for_each_line([&](std::string_view item) {
    if (!tuple) {
      if (!list.add(item)) file.complain(item, not_of_kind(item, list.types().front()));
    } else if (!list.add_tuple(words_of(item, false))) {
      file.complain(item, "this line is not " + types_text(list.types()));
    }
  });
  return file.complaints() == 0;
}

// ---- tables ----

std::optional<Value> element(std::string_view text, const Type& type, Kind kind) {
  if (kind != Kind::Enum) return parse_value(text, kind);
  const auto& words = type.words->words;
  const bool known = std::find(words.begin(), words.end(), text) != words.end();
  return known ? std::optional<Value>(std::string(text)) : std::nullopt;
}

// nullopt: `bad` is the part that is wrong.
std::optional<Value> value_of(const std::vector<std::string_view>& texts, const Type& type,
                              std::string_view& bad) {
  Values items;
  const Kind kind = type.kind == Kind::List ? type.element : type.kind;
  for (const std::string_view text : texts) {
    auto item = element(text, type, kind);
    if (!item) {
      bad = text;
      return std::nullopt;
    }
    items.push_back(std::move(*item));
  }
  if (type.kind == Kind::List) return Value::list(std::move(items));
  return items.size() == 1 ? std::optional(std::move(items.front())) : std::nullopt;
}

std::string value_complaint(std::string_view bad, const Type& type) {
  return not_of_kind(bad, type.kind == Kind::List ? type.element : type.kind);
}

bool add_entry(Table& table, const Scalar& key, const YamlNode& node, const Type& type,
               Findings& findings) {
  std::vector<std::string_view> texts;
  if (node.kind == YamlNode::Kind::Scalar) texts.push_back(node.scalar.text);
  for (const YamlNode& item : node.items) texts.push_back(item.scalar.text);
  std::string_view bad = node.scalar.text;
  auto value = value_of(texts, type, bad);
  if (!value) {
    findings.error("E203", node.kind == YamlNode::Kind::Scalar ? node.scalar.whole() : node.span,
                   value_complaint(bad, type));
    return false;
  }
  const Table::Added added = table.add(key.text, std::move(*value));
  if (added == Table::Added::NoKey)
    findings.error("E203", key.whole(), not_of_kind(key.text, table.key_kind()));
  if (added == Table::Added::Twice)
    findings.error("E103", key.whole(), "`" + key.text + "` stands twice in the table");
  return added == Table::Added::Yes;
}

struct Line {
  std::string_view key, value;
};

Line split_line(std::string_view line) {
  if (line.starts_with('"')) {
    const std::size_t end = line.find('"', 1);
    if (end == std::string_view::npos) return {line, {}};
    return {line.substr(1, end - 1), trimmed(line.substr(end + 1))};
  }
  const std::size_t end = line.find_first_of(" \t");
  if (end == std::string_view::npos) return {line, {}};
  return {line.substr(0, end), trimmed(line.substr(end))};
}

bool add_file(Table& table, ItemFile& file, const Type& type) {
  file.for_each_line([&](std::string_view text) {
    const Line line = split_line(text);
    const bool list = type.kind == Kind::List;
    std::string_view bad = line.value.empty() ? text : line.value;
    auto value = value_of(list ? words_of(line.value, true) : std::vector{line.value}, type, bad);
    if (!value) return file.complain(bad, value_complaint(bad, type));
    const Table::Added added = table.add(line.key, std::move(*value));
    if (added == Table::Added::NoKey)
      file.complain(line.key, not_of_kind(line.key, table.key_kind()));
    if (added == Table::Added::Twice)
      file.complain(line.key, "`" + std::string(line.key) + "` stands twice in the table");
  });
  return file.complaints() == 0;
}

// Files of one list or table, read; their content is part of the key under which it is shared.
struct Files {
  std::deque<ItemFile> files;
  bool readable = true;

  Files(const std::vector<Scalar>& paths, const LoadSettings& settings, Findings& findings,
        ContentHash& hash) {
    for (const Scalar& path : paths) {
      ItemFile& file = files.emplace_back(path, findings);
      if (settings.read_files) settings.read_files->push_back(file.name());
      readable = readable && file.readable();
      hash.add(file.text());
    }
  }
  void warn_if_empty(const std::vector<Scalar>& paths, std::size_t size, Findings& findings) const {
    if (size == 0 && !files.empty())
      findings.warning("W804", paths.front().whole(),
                       "list file `" + files.front().name() + "` is empty");
  }
};

}  // namespace

std::string_view kind_description(Kind kind) {
  for (const KindDescription& description : kDescriptions)
    if (description.kind == kind) return description.text;
  return kind_name(kind);
}

StaticListPtr load_list(const ListSource& source, const std::vector<Kind>& types,
                        const LoadSettings& settings, Findings& findings) {
  ContentHash hash;
  hash.add(types_text(types) + (settings.fold_local_part ? " fold" : " exact"));
  for (const YamlNode& item : source.items) add_to_hash(hash, item);
  Files files(source.paths, settings, findings, hash);
  if (!files.readable) return nullptr;
  if (settings.pool) {
    if (auto found = settings.pool->find_list(hash.key())) {
      files.warn_if_empty(source.paths, found->size(), findings);
      return found;
    }
  }
  auto list = std::make_shared<StaticList>(types, settings.fold_local_part);
  bool good = true;
  for (const YamlNode& item : source.items) good = add_item(*list, item, findings) && good;
  for (ItemFile& file : files.files) {
    good = add_file(*list, file) && good;
    file.release();
  }
  list->finish();
  if (!good) return nullptr;
  files.warn_if_empty(source.paths, list->size(), findings);
  if (settings.pool) settings.pool->keep(hash.key(), StaticListPtr(list));
  return list;
}

TablePtr load_table(const TableSource& source, Kind key, const Type& value,
                    const LoadSettings& settings, Findings& findings) {
  ContentHash hash;
  hash.add(source.key_type.text + " " + source.value_type.text +
           (settings.fold_local_part ? " fold" : " exact"));
  for (const auto& [entry_key, node] : source.items) {
    hash.add(entry_key.text);
    add_to_hash(hash, node);
  }
  const std::vector<Scalar> paths = source.path ? std::vector{*source.path} : std::vector<Scalar>{};
  Files files(paths, settings, findings, hash);
  if (!files.readable) return nullptr;
  if (settings.pool) {
    if (auto found = settings.pool->find_table(hash.key())) return found;
  }
  auto table = std::make_shared<Table>(key, settings.fold_local_part);
  bool good = true;
  for (const auto& [entry_key, node] : source.items)
    good = add_entry(*table, entry_key, node, value, findings) && good;
  for (ItemFile& file : files.files) good = add_file(*table, file, value) && good;
  table->finish();
  if (!good) return nullptr;
  files.warn_if_empty(paths, table->size(), findings);
  if (settings.pool) settings.pool->keep(hash.key(), TablePtr(table));
  return table;
}

}  // namespace sluice::policy
