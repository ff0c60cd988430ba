// Declarations: what the names of a policy mean, by the file in which they are used (LANGUAGE
// 9e.15): facts built in, declared and of `dnsbl:`, lets, lists and tables. Private to policy/.
#pragma once
#include <deque>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "policy/code.h"
#include "policy/findings.h"
#include "policy/policy_source.h"

namespace sluice::policy {

struct FoundFact {
  const FactSignature* signature = nullptr;
  UsedFact::Origin origin = UsedFact::Origin::BuiltIn;
  std::uint32_t dnsbl = 0;
};

struct DeclaredList {
  const ListSource* source = nullptr;
  std::string full_name;  // with the prefix of its bundle
  std::vector<Kind> types;
  StaticListPtr content;  // null for a dynamic list, or when it could not be loaded
  ListId dynamic = 0;     // dynamic lists
  mutable bool used = false;
};

struct DeclaredTable {
  const TableSource* source = nullptr;
  std::string full_name;
  Kind key = Kind::Text;
  Type value;
  TablePtr content;
  mutable bool used = false;
};

class Declarations {
 public:
  Declarations(const PolicySource& source, const Vocabulary& vocabulary,
               const CompileOptions& options, Code& code, Findings& findings);

  // File in which something is written; `otherwise` for what was made by hand.
  std::size_t file_of(const SourceSpan& span, std::size_t otherwise) const;

  std::optional<FoundFact> fact(std::string_view name) const;
  const LetSource* let(std::size_t file, std::string_view name) const;
  // A let that was refused: its uses are not reported again.
  bool is_refused_let(std::size_t file, std::string_view name) const {
    return refused_lets_.contains(Key(file, std::string(name)));
  }
  const DeclaredList* list(std::size_t file, std::string_view name) const;
  const DeclaredTable* table(std::size_t file, std::string_view name) const;
  // For "did you mean".
  std::vector<std::string_view> names_at(std::size_t file) const;
  std::vector<std::string_view> list_names_at(std::size_t file) const;
  std::vector<std::string_view> table_names_at(std::size_t file) const;

  // The expression with every let written out.
  Node expanded(const Node& node, std::size_t file) const;

  const std::deque<DeclaredList>& lists() const { return lists_; }
  const std::deque<DeclaredTable>& tables() const { return tables_; }
  std::vector<Dnsbl> dnsbls() const { return dnsbls_; }
  std::vector<DynamicList> dynamic_lists() const { return dynamic_lists_; }
  const std::vector<std::string>& read_files() const { return read_files_; }

 private:
  using Key = std::pair<std::size_t, std::string>;
  void declare_dnsbls();
  void declare_facts();
  void declare_fact(const DeclaredFactSource& declared);
  void agree_with_others(const FactSignature& fact, const DeclaredFactSource& declared);
  void declare_lets();
  std::size_t let_size(const Node& node, std::size_t file, std::vector<const LetSource*>& open);
  void declare_lists();
  void declare_tables();
  std::string full_name(std::size_t file, const std::string& name) const;
  template <class T>
  const T* find(const std::map<Key, const T*>& own, const std::map<std::string, const T*>& all,
                std::size_t file, std::string_view name) const;

  const PolicySource& source_;
  const Vocabulary& vocabulary_;
  const CompileOptions& options_;
  Code& code_;
  Findings& findings_;
  std::unordered_map<const SourceFile*, std::size_t> files_;
  std::deque<FactSignature> signatures_;  // of dnsbl and declared facts
  std::map<std::string, FoundFact, std::less<>> facts_;
  std::map<Key, const LetSource*> lets_;
  std::set<Key> refused_lets_;
  const LetSource* circle_ = nullptr;  // where let_size() met a let that was open
  std::map<const LetSource*, std::size_t> let_sizes_;
  std::deque<DeclaredList> lists_;
  std::deque<DeclaredTable> tables_;
  std::map<Key, const DeclaredList*> own_lists_;
  std::map<std::string, const DeclaredList*> all_lists_;
  std::map<Key, const DeclaredTable*> own_tables_;
  std::map<std::string, const DeclaredTable*> all_tables_;
  std::vector<Dnsbl> dnsbls_;
  std::vector<DynamicList> dynamic_lists_;
  std::vector<std::string> read_files_;
};

}  // namespace sluice::policy
