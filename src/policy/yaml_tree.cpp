#include "policy/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unordered_set>

#include "base/text.h"
#include "policy/scalar_places.h"

namespace sluice::policy {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::size_t kFewEntries = 16;  // up to here duplicate keys are looked for one by one

// Keys whose values are written by hand and often hold `: `, `#` or quotes.
constexpr std::array<std::string_view, 4> kTextKeys{"when:", "unless:", "text:", "then:"};

// Ends the library's parse; what is wrong has been said.
struct Stopped {};

class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(const SourceFilePtr& file, Diagnostics& diagnostics)
      : file_(file), diagnostics_(diagnostics) {
    cursor_.text = file->text();
    skip_byte_order_mark();
  }

  YamlNode take() { return std::move(root_); }
  SourceSpan place(const YAML::Mark& mark) {
    move_to(mark);
    return SourceSpan{file_, cursor_.line, cursor_.column, 1};
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) stop(place(mark), "a file holds one document; a second one begins here");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode node = begin(mark, "", anchor);
    const std::string_view word = null_word();
    if (!word.empty()) set_scalar(node, std::string(word));
    finish(std::move(node));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    if (!inert()) stop(place(mark), "aliases are not allowed (only below x-... keys)");
    finish(begin(mark, "", 0));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node = begin(mark, tag, anchor);
    set_scalar(node, value);
    finish(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::Sequence, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::Map, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  // A sequence or map that is not complete.
  struct Open {
    YamlNode node;
    Scalar key;
    bool has_key = false;
    std::unordered_set<std::string, KeyedHash> keys;
  };

  [[noreturn]] void stop(SourceSpan span, std::string message) {
    diagnostics_.error("E101", std::move(span), std::move(message));
    throw Stopped{};
  }

  void skip_byte_order_mark() {
    if (cursor_.text.starts_with(kByteOrderMark)) cursor_.advance(kByteOrderMark.size());
  }

  // Marks come in rising order but for the ends of collections and errors; the library counts
  // columns without the mark at the beginning of the file.
  void move_to(const YAML::Mark& mark) {
    const auto line = static_cast<std::uint32_t>(std::max(mark.line, 0)) + 1;
    const auto column = static_cast<std::uint32_t>(std::max(mark.column, 0)) + 1;
    if (line < cursor_.line || (line == cursor_.line && column < cursor_.column)) {
      cursor_ = FileCursor{cursor_.text};
      skip_byte_order_mark();
    }
    const std::uint32_t shift = line == 1 && cursor_.text.starts_with(kByteOrderMark) ? 3 : 0;
    while (!cursor_.at_end() &&
           (cursor_.line < line || (cursor_.line == line && cursor_.column < column + shift)))
      cursor_.advance();
  }

  // Below a top-level key x-…: nothing there means anything.
  bool inert() const {
    return !stack_.empty() && stack_[0].has_key && stack_[0].key.text.starts_with("x-");
  }

  YamlNode begin(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    YamlNode node;
    node.span = place(mark);
    if (++nodes_ > kMaxYamlNodes)
      stop(node.span, "more than " + std::to_string(kMaxYamlNodes) + " values in one file");
    if (inert()) return node;
    if (anchor != 0) stop(node.span, "anchors are not allowed (only below x-... keys)");
    if (tag.size() > 1) stop(node.span, "tags are not allowed");
    return node;
  }

  // `null` and `~` are text like everything else; the library reports them like an empty value,
  // with the place of what follows. A word that is the first of its line may be the next key.
  std::string_view null_word() const {
    constexpr std::array<std::string_view, 4> kWords{"null", "Null", "NULL", "~"};
    const std::string_view rest = cursor_.text.substr(cursor_.offset);
    const std::string_view line = file_->line(cursor_.line);
    if (line.find_first_not_of(" \t") == cursor_.column - 1) return {};
    for (const std::string_view word : kWords)
      if (rest.starts_with(word) &&
          (rest.size() == word.size() || std::strchr(" \t\r\n,]}", rest[word.size()])))
        return word;
    return {};
  }

  void set_scalar(YamlNode& node, const std::string& value) {
    PlacedScalar placed = place_scalar(file_, cursor_, value);
    if (!placed.closed) stop(node.span, "the quote that begins here is never closed");
    node.kind = YamlNode::Kind::Scalar;
    node.scalar = std::move(placed.scalar);
    node.quoted = placed.quoted;
    node.comment_cut = placed.commented;
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    Open& opened = stack_.emplace_back();
    opened.node = begin(mark, tag, anchor);
    opened.node.kind = kind;
    if (stack_.size() > kMaxYamlDepth)
      stop(opened.node.span, "nested deeper than " + std::to_string(kMaxYamlDepth) + " levels");
  }

  void close() {
    YamlNode node = std::move(stack_.back().node);
    stack_.pop_back();
    finish(std::move(node));
  }

  void finish(YamlNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = stack_.back();
    if (parent.node.kind == YamlNode::Kind::Sequence) {
      parent.node.items.push_back(std::move(node));
    } else if (parent.has_key) {
      if (!duplicate(parent))
        parent.node.entries.push_back({std::move(parent.key), std::move(node)});
      parent.has_key = false;
    } else {
      set_key(parent, std::move(node));
    }
  }

  void set_key(Open& map, YamlNode node) {
    if (node.kind != YamlNode::Kind::Scalar) stop(node.span, "a key is one word or text");
    if (node.scalar.text == "<<" && !node.quoted && !inert())
      stop(node.span, "merge keys are not allowed (only below x-... keys)");
    map.key = std::move(node.scalar);
    map.has_key = true;
  }

  bool duplicate(Open& map) {
    const auto& entries = map.node.entries;
    bool found = false;
    if (entries.size() < kFewEntries) {
      found = map.node.find(map.key.text) != nullptr;
    } else {
      if (map.keys.empty())
        for (const auto& entry : entries) map.keys.insert(entry.first.text);
      found = !map.keys.insert(map.key.text).second;
    }
    if (found && !inert()) {
      const auto first = std::find_if(entries.begin(), entries.end(), [&map](const auto& entry) {
        return entry.first.text == map.key.text;
      });
      diagnostics_.error("E103", map.key.whole(),
                         "duplicate key `" + map.key.text + "`; it stands in line " +
                             std::to_string(first->first.begin.line) + " already");
    }
    return found;
  }

  SourceFilePtr file_;
  Diagnostics& diagnostics_;
  FileCursor cursor_;
  std::vector<Open> stack_;
  YamlNode root_;
  std::size_t nodes_ = 0;
  std::size_t documents_ = 0;
};

// The library's words for the errors that people make, in ours.
struct Wording {
  std::string_view theirs, ours;
};
constexpr std::array<Wording, 5> kWordings{{
    {"illegal map value", "`: ` inside an unquoted value"},
    {"end of map not found",
     "this does not continue the map: wrong indentation, or text behind a closing quote"},
    {"end of sequence not found",
     "this does not continue the list: wrong indentation, or text behind a closing quote"},
    {"end of map flow not found", "a `{` is not closed"},
    {"end of sequence flow not found", "a `[` is not closed"},
}};

std::string syntax_message(std::string_view message, std::string_view line, std::size_t column) {
  std::string text(message);
  for (const Wording& wording : kWordings)
    if (message == wording.theirs) text = wording.ours;
  const std::size_t start = std::min(line.find_first_not_of(" -\t"), line.size());
  for (const std::string_view key : kTextKeys)
    if (line.substr(start).starts_with(key) && column > start + key.size())
      text += "; put the whole value in single quotes";
  return text;
}

// What the YAML library would read in another encoding or stop at silently.
bool check_bytes(const SourceFilePtr& file, Diagnostics& diagnostics) {
  const std::string& text = file->text();
  SourceSpan span{file, 1, 1, 1};
  if (text.size() > kMaxYamlBytes) {
    diagnostics.error("E101", span, "larger than " + render_size(kMaxYamlBytes));
    return false;
  }
  if (text.starts_with("\xFE\xFF") || text.starts_with("\xFF\xFE")) {
    diagnostics.error("E101", span, "the file is UTF-16; write it in UTF-8");
    return false;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '\n') ++span.line, span.column = 0;
    if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7F) {
      diagnostics.error("E101", span,
                        "control character; write it as an escape in a double-quoted value");
      return false;
    }
    ++span.column;
  }
  return true;
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const auto& entry : entries)
    if (entry.first.text == key) return &entry.second;
  return nullptr;
}

YamlNode parse_yaml(const SourceFilePtr& file, Diagnostics& diagnostics) {
  if (!check_bytes(file, diagnostics)) return {};
  TreeBuilder builder(file, diagnostics);
  try {
    std::istringstream stream(file->text());
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Stopped&) {
  } catch (const YAML::Exception& e) {
    const SourceSpan span = builder.place(e.mark);
    diagnostics.error("E101", span, syntax_message(e.msg, file->line(span.line), span.column));
  } catch (const std::exception& e) {
    diagnostics.error("E101", SourceSpan{file, 1, 1, 1}, e.what());
  }
  return builder.take();
}

Result<SourceFilePtr> read_source(const std::string& path) {
  std::error_code failed;
  if (std::filesystem::is_directory(path, failed))
    return config_error("cannot read " + path + ": it is a folder");
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  if (!stream)
    return config_error("cannot read " + path + ": " + std::strerror(errno != 0 ? errno : EIO));
  std::string text;
  std::array<char, 65'536> buffer{};
  while (stream.read(buffer.data(), buffer.size()), stream.gcount() > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(stream.gcount()));
    if (text.size() > kMaxYamlBytes)
      return config_error(path + " is larger than " + render_size(kMaxYamlBytes));
  }
  if (stream.bad()) return config_error("cannot read " + path + ": " + std::strerror(EIO));
  return std::make_shared<const SourceFile>(path, std::move(text));
}

}  // namespace sluice::policy
