// The folder for a paper: tables that LaTeX can read, numbers that programs can read, figures, references.
#include "apps/report/paper/paper.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <sstream>

#include "apps/report/paper/latin.h"
#include "apps/report/paper/pdf.h"
#include "apps/report/paper/references.h"
#include "apps/report/plots/look.h"
#include "apps/report/report.h"
#include "losses/core/registry.h"
#include "tests/apps/comparison.h"
#include "tests/apps/pages.h"

using namespace voxgrad;
using namespace voxgrad::test;
using namespace voxgrad::apps;

namespace {

std::vector<std::string> lines_of(const std::string& words) {
  std::vector<std::string> lines;
  std::istringstream in(words);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("LaTeX: what has a meaning there is escaped; letters it does not know are question marks") {
  CHECK(latex("a_b & 5 % #1 $x {y}") == "a\\_b \\& 5 \\% \\#1 \\$x \\{y\\}");
  CHECK(latex("\\~^<>|\"") ==
        "\\textbackslash{}\\textasciitilde{}\\textasciicircum{}\\textless{}\\textgreater{}\\textbar{}{''}");
  CHECK(latex("L\u00e9sion \u0142 \u2265 \U0001F642") == "L\u00e9sion \u0142 ? ?");
  CHECK(latex("x--y\n") == "x{-}{-}y ");
  CHECK(latex("[old] liver") == "{[}old] liver");  // after the end of a row
  CHECK(latex("\xff\xc3") == "??");
  CHECK(letters_of("\u00e9\u2026\U0001F642") == U"\u00e9\u2026\U0001F642");
}

TEST_CASE("every source of a loss has a reference, and every reference its fields") {
  for (const losses::Spec& spec : losses::registry())
    for (const std::string& source : sources_of(spec.source)) {
      const bool known = std::any_of(references().begin(), references().end(), [&](const Reference& one) {
        return one.cited[0] != '\0' && source.starts_with(one.cited);
      });
      CHECK_MESSAGE(known, spec.name << ": " << source);
    }
  std::set<std::string> keys;
  for (const Reference& one : references()) {
    const Reference& entry = reference(one.key);
    const std::string bib = bibtex(entry);
    keys.insert(one.key);
    CHECK(contains(bib, std::string("@") + entry.type + "{" + one.key + ",\n"));
    for (const char* field : {"author = {", "title = {"}) CHECK_MESSAGE(contains(bib, field), bib);
    CHECK(std::count(bib.begin(), bib.end(), '{') == std::count(bib.begin(), bib.end(), '}'));
  }
  CHECK(keys.size() + 1 == references().size());  // one paper is named in two ways
  const auto of = references_of("0.5*dice:batch=1+2*ce");
  REQUIRE(of.size() == 3);
  CHECK(std::string(of[0]->key) == "milletari2016");
  CHECK(std::string(of[2]->key) == "ma2020");
}

TEST_CASE("PDF: the places of the objects, the length of the content, every mark of a plot") {
  Svg svg(100, 50, "title");
  svg.line(0, 0, 100, 50, "grid");
  svg.rect(10, 10, 20, 5, "box");
  svg.curve({{0, 0}, {5, 5}, {9, 0}}, "thick-1");
  svg.begin("curve");
  for (const auto family : {losses::Family::distribution, losses::Family::region}) svg.marker(50, 25, family);
  svg.end();
  svg.text(50, 40, "middle", "a (b) \\ \u00e9\u2026\u2265");
  const std::string pdf = to_pdf(svg);
  CHECK(pdf.starts_with("%PDF-1.4\n"));
  CHECK(pdf.ends_with("%%EOF\n"));
  for (int i = 1; i <= 5; ++i) {
    const std::string start = std::to_string(i) + " 0 obj\n";
    const std::size_t at = pdf.find("\n" + start) + 1;
    std::string place = std::to_string(at);
    place.insert(0, 10 - place.size(), '0');
    CHECK_MESSAGE(contains(pdf, place + " 00000 n \n"), i);
  }
  const std::size_t table = std::stoul(pdf.substr(pdf.find("startxref\n") + 10));
  CHECK(pdf.substr(table, 5) == "xref\n");
  const std::size_t begin = pdf.find("stream\n") + 7, end = pdf.find("endstream");
  CHECK(std::stoul(pdf.substr(pdf.find("/Length ") + 8)) == end - begin);
  const std::string content = pdf.substr(begin, end - begin);
  CHECK(contains(content, "0.00 50.00 m\n100.00 0.00 l\nS\n"));  // the first row is at the top
  CHECK(contains(content, "10.00 35.00 20.00 5.00 re\nb\n"));
  CHECK(contains(content, "[6.00 3.00 ] 0 d\n"));
  CHECK(count(content, " c\n") == 4);
  CHECK(count(content, "h\nf\n") == 1);
  CHECK(contains(content, "(a \\(b\\) \\\\ \xe9\x85?) Tj"));
  CHECK(std::abs(helvetica_width("Dice") - (0.722 + 0.222 + 0.5 + 0.556)) < 1e-12);
}

TEST_CASE("every mark that a plot draws has a look, and a picture of its own brings its colours") {
  Svg svg(10, 10, "t");
  svg.line(0, 0, 1, 1, "whisker");
  const std::string file = svg.str(paper_style());
  CHECK(contains(file, "xmlns"));
  CHECK(contains(file, ".whisker{fill:none;stroke:#565b62;"));
  CHECK(!contains(file, "var("));
  CHECK(contains(look_rules(), "svg .whisker{fill:none;stroke:var(--soft);"));
  CHECK(look_of("of-region") != nullptr);
  CHECK(look_of("unknown") == nullptr);
}

TEST_CASE("the folder of a comparison: names are escaped, numbers agree, plots are there as SVG and PDF") {
  const Folder folder;
  data::DatasetContents contents = data::make_phantom("organs2d", {30, {32, 32}, 1});
  contents.class_names[1] = "left_liver & 50 %";
  contents.class_names[2] = "left_liver_&_50_%";  // the same letters in the name of a file
  const std::string data = folder.file("o_1.h5"), out = folder.file("out");
  data::write_dataset(data, contents);
  const Outcome outcome = program(
      comparison_of({data}, out, {"--seeds", "2", "--steps", "20", "--folds", "3", "--losses", "dice_ce,dice"}));
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const std::string paper = out + "/paper/";
  const auto text_of = [&](const char* name) { return bytes_of(paper + name); };
  const std::string ranking = text_of("ranking.tex"), classes = text_of("classes.tex"),
                    methods = text_of("methods.tex");
  CHECK(contains(ranking, "\\texttt{dice} & $0."));
  CHECK(contains(ranking, "95\\,\\% CI"));
  CHECK(contains(classes, "left\\_liver \\& 50 \\%"));
  for (const std::string& tex : {ranking, classes}) {
    CHECK(count(tex, "\\toprule") == count(tex, "\\bottomrule"));
    CHECK(!contains(tex, "nan"));
  }
  for (const char* words :
       {"o\\_1", "CRC-32", "20 steps of AdamW", "batches of ", "patches of 32$\\times$32 voxels", "2 levels", "3-fold",
        "2 trainings of each in each fold, with different seeds",
        "The weights of the last epoch were tested, without any", "Student", "\\cite{holm1979}", "learning rate 0.00"})
    CHECK_MESSAGE(contains(methods, words), std::string(words) << " in " << methods);
  CHECK(!contains(methods, "from the data"));
  Comparison other = read_comparison(out);
  other.datasets[0].used["settings"]["patch"] = "32x32 ~x";
  other.datasets[0].used["settings"]["clean_up"] = "auto";
  std::vector<std::string> cited;
  const std::string changed = methods_tex(other, analyse(other), cited);
  CHECK_MESSAGE(contains(changed, "patches of 32$\\times$32 \\textasciitilde{}x voxels"), changed);
  CHECK_MESSAGE(contains(changed, "was chosen on the validation cases of each training"), changed);
  CHECK_MESSAGE(contains(changed, "2-D U-Nets"), changed);
  CHECK(!contains(changed, "slice by slice"));
  Comparison deep = other;
  deep.datasets[0].dims = 3;
  deep.datasets[0].used["settings"].update(
      {{"targets", "probabilities"}, {"optimizer", "sgd"}, {"normalise", "dataset"}, {"validation_cases", 0}});
  const std::string sliced = methods_tex(deep, analyse(deep), cited);
  for (const char* words : {"o\\_1 were segmented slice by slice", "was the label probabilities", "Nesterov momentum",
                            "percentiles 0.5 and 99.5 of the foreground", "without any post-processing"})
    CHECK_MESSAGE(contains(sliced, words), std::string(words) << " in " << sliced);
  other.datasets.push_back(other.datasets[0]);
  other.datasets[1].name = "e";
  other.datasets[1].used["settings"]["validate_every"] = 1;
  const std::string chosen =
                        "The weights of the epoch with the highest Dice on the validation cases, smoothed over the "
                        "validations, were tested",
                    both = methods_tex(other, analyse(read_comparison(out)), cited);
  CHECK_MESSAGE(contains(both, chosen + ", on o\\_1 those of the last epoch."), both);
  other.datasets[1].used["settings"]["validation_cases"] = 0;
  CHECK(!contains(methods_tex(other, analyse(read_comparison(out)), cited), chosen));
  const std::string bib = text_of("references.bib");
  for (std::size_t at = methods.find("\\cite{"); at != std::string::npos; at = methods.find("\\cite{", at + 1)) {
    std::istringstream keys(methods.substr(at + 6, methods.find('}', at) - at - 6));
    for (std::string key; std::getline(keys, key, ',');) CHECK_MESSAGE(count(bib, "{" + key + ",") == 1, key);
  }
  const std::vector<std::string> rows = lines_of(text_of("ranking.csv"));
  REQUIRE(rows.size() == 3);
  const Json first = Json::parse(bytes_of(out + "/results.json"))["analyses"][0]["ranking"][0];
  CHECK(rows[1].starts_with("o_1," + first["loss"].get<std::string>() + ",1," + first["dice_mean"].dump() + ","));
  CHECK(contains(text_of("classes.csv"), "o_1,left_liver & 50 %,dice,"));
  std::size_t figures = 0;
  for (const auto& entry : std::filesystem::directory_iterator(paper + "figures")) {
    const std::string path = entry.path().string();
    if (!path.ends_with(".svg")) continue;
    ++figures;
    CHECK_MESSAGE(disorder(bytes_of(path)).empty(), path);
    CHECK(bytes_of(path.substr(0, path.size() - 3) + "pdf").starts_with("%PDF"));
  }
  CHECK(figures == 10);  // ranking, ranks, four classes, sizes, seconds, memory, power
  const std::string main = text_of("main.tex");
  for (std::size_t at = main.find("\\plot{0."); at != std::string::npos; at = main.find("\\plot{0.", at + 1)) {
    const std::size_t name = main.find("}{", at) + 2;
    CHECK(std::filesystem::exists(paper + "figures/" + main.substr(name, main.find('}', name) - name) + ".pdf"));
  }
  CHECK(count(main, "{ranking}\n") == 1);
  CHECK(count(main, "{ranks_o_1}\n") == 1);
}

TEST_CASE("the tables and box plots of the classes count the cases of the ranking, and a diverged training with 0") {
  const double none = std::nan(""), alarm = -1;
  const auto compared = [&](double empty) {
    std::vector<ComparedRun> runs;
    for (const std::uint64_t seed : {1, 2, 3}) {
      runs.push_back(tested_run("d", "ce", seed, {0.75, 0.75, empty, empty, none}));
      runs.push_back(tested_run("d", "dice", seed, {0.5, 0.5, none, none, none}));
      runs.push_back(tested_run("d", "wild", seed, {0.75, 0.75, none, none, none}));
      runs.back().diverged = seed > 1;
      if (seed > 1) runs.back().cases.clear();
    }
    for (ComparedRun& run : runs)
      for (CaseNumbers& one : run.cases) one.diagonal = 100;
    return made_up(runs);
  };
  const Comparison alarming = compared(alarm);
  const std::string csv = classes_csv(alarming, analyse(alarming));
  CHECK_MESSAGE(contains(csv, "d,thing,ce,2,0.75,"), csv);
  CHECK_MESSAGE(contains(csv, "d,thing,dice,2,0.5,"), csv);
  // The Hausdorff distance is 2.5 in one of three trainings, and the diagonal in the others.
  CHECK_MESSAGE(contains(csv, "d,thing,wild,2,0.25,0.0,0.25,0.25,0.25,67.5,67.5,mm,4\n"), csv);
  const auto boxes = [](const Comparison& comparison) {
    const Folder folder;
    const Findings findings = findings_of(comparison);
    write_report(comparison, findings.analyses, findings.answers, folder.file(""), true);
    return bytes_of(folder.file("paper/figures/dice_d_thing.svg"));
  };
  CHECK(boxes(alarming) == boxes(compared(none)));
}

TEST_CASE("differences are said to be paired; the learning curves of many datasets are in floats that fit a page") {
  std::vector<ComparedRun> runs;
  for (const char* dataset : {"a", "b", "c"})
    for (const std::uint64_t seed : {1, 2})
      for (const char* loss : {"ce", "dice"}) {
        std::vector<double> dice;
        for (int i = 0; i < 12; ++i) dice.push_back(0.5 + 0.02 * i + 0.01 * static_cast<double>(seed));
        runs.push_back(tested_run(dataset, loss, seed, dice));
        runs.back().history = {{1, 10, 1, 1e-3, 0.4, {}}, {2, 20, 1, 1e-3, 0.5, {}}};
      }
  const Folder folder;
  const Comparison comparison = made_up(runs);
  const Findings findings = findings_of(comparison);
  write_report(comparison, findings.analyses, findings.answers, folder.file(""), true);
  const std::string methods = bytes_of(folder.file("paper/methods.tex")),
                    main = bytes_of(folder.file("paper/main.tex"));
  CHECK_MESSAGE(contains(methods, "Differences are paired by case"), methods);
  const std::size_t last = main.rfind("\\begin{figure}");
  CHECK(count(main.substr(last), "\\plot{") == 1);
  CHECK(count(main, "{curves_") == 3);
  CHECK(count(main, "\\begin{figure}") == 3);
}
