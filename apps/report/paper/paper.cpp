#include "apps/report/paper/paper.h"

#include <filesystem>

#include "apps/program/words.h"
#include "apps/report/card.h"
#include "apps/report/paper/latin.h"
#include "apps/report/paper/pdf.h"
#include "apps/report/paper/references.h"
#include "apps/report/plots/look.h"
#include "apps/training/run_directory.h"
#include "engine/error.h"

namespace voxgrad::apps {
namespace {

constexpr const char* kHead =
    R"(% A document of the tables and figures of a comparison. It is written anew with every report: copy it to change it.
%   pdflatex main && bibtex main && pdflatex main && pdflatex main
\documentclass[10pt]{article}
\usepackage[utf8]{inputenc}
\usepackage[margin=2cm]{geometry}
\usepackage{booktabs,graphicx}
% A table as wide as it is, but not wider than the line.
\newcommand{\fitted}[1]{\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{#1}}
\newcommand{\plot}[2]{\includegraphics[width=#1\linewidth,height=.62\textheight,keepaspectratio]{figures/#2.pdf}}
\emergencystretch=3em
\begin{document}
)";

std::string float_of(const char* kind, const std::string& body, const std::string& caption) {
  return text("\\begin{", kind, "}[htbp]\n\\centering\n\\caption{", caption, "}\n", body, "\\end{", kind, "}\n\n");
}

// The figures whose names begin with one of these, side by side.
std::string plots(const std::vector<Figure>& figures, const std::vector<std::string>& beginnings, double share,
                  std::string& captions) {
  std::string tex;
  for (const Figure& figure : figures)
    for (const std::string& beginning : beginnings)
      if (figure.name.starts_with(beginning)) {
        tex += text("\\plot{", share, "}{", figure.name, "}\n");
        captions += latex(figure.caption) + ". ";
      }
  return tex;
}

std::string document(const std::vector<Analysis>& analyses, const std::vector<Figure>& figures) {
  const Analysis& all = analyses.back();
  std::string tex = kHead;
  tex += text("\\title{Comparison of ", all.losses.size(), all.losses.size() == 1 ? " loss" : " losses", " on ",
              latex(all.name), "}\n\\date{}\n\\maketitle\n\n\\section*{Methods}\n\\input{methods}\n\n");
  tex += "\\section*{Results}\n";
  std::string caption = "Mean Dice over " + latex(all.name) + ", " + latex(cases_words(all)) + ".";
  if (!shows_intervals(all)) caption += " No intervals are given: trainings or cases are too few.";
  tex += float_of("table", "\\small\n\\fitted{\\input{ranking}}\n", caption);
  caption.clear();
  const std::string ranking = plots(figures, {"ranking", file_name("ranks_" + all.name)}, 0.49, caption);
  caption +=
      "Circles are distribution losses, squares region losses, triangles boundary losses, diamonds compound ones.";
  tex += float_of("figure", ranking, caption);
  tex += "\\begin{center}\n\\small\n\\input{classes}\n\\end{center}\n\n";
  std::vector<Figure> curves;
  for (const Figure& figure : figures)
    if (figure.name.starts_with("curves_")) curves.push_back(figure);
  for (auto at = curves.begin(); at != curves.end();) {  // a float for each line of two, which fits a page
    const auto end = at + std::min<std::ptrdiff_t>(2, curves.end() - at);
    caption.clear();
    const std::string line = plots({at, end}, {"curves_"}, analyses.size() > 1 ? 0.49 : 0.9, caption);
    tex += float_of("figure", line, "Validation Dice over the training. " + caption);
    at = end;
  }
  return tex + "\\bibliographystyle{plain}\n\\bibliography{references}\n\\end{document}\n";
}

}  // namespace

void write_paper(const Comparison& comparison, const std::vector<Analysis>& analyses,
                 const std::vector<Figure>& figures, const std::string& directory) {
  const std::string folder = directory + "/paper/";
  std::error_code failed;
  std::filesystem::create_directories(folder + "figures", failed);
  if (failed) throw Error(ErrorKind::io, "cannot make " + folder + "figures: " + failed.message());
  for (const Figure& figure : figures) {
    write_text(folder + "figures/" + figure.name + ".svg", figure.picture.str(paper_style()));
    write_text(folder + "figures/" + figure.name + ".pdf", to_pdf(figure.picture));
  }
  std::vector<std::string> cited;
  write_text(folder + "ranking.tex", ranking_tex(analyses));
  write_text(folder + "ranking.csv", ranking_csv(analyses));
  write_text(folder + "classes.tex", classes_tex(comparison, analyses));
  write_text(folder + "classes.csv", classes_csv(comparison, analyses));
  write_text(folder + "methods.tex", methods_tex(comparison, analyses, cited));
  std::string bib;
  for (const std::string& key : cited) bib += bibtex(reference(key)) + "\n";
  write_text(folder + "references.bib", bib);
  write_text(folder + "main.tex", document(analyses, figures));
}

}  // namespace voxgrad::apps
