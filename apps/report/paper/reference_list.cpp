// The table of the references. Long lists of authors end with "and others", as BibTeX writes them.
#include "apps/report/paper/references.h"

namespace voxgrad::apps {

const std::vector<Reference>& references() {
  // clang-format off
  static const std::vector<Reference> all{
      {"Barfoot et al., arXiv 2506.03942", "barfoot2025", "misc",
       "author = {Barfoot, Theodore and Garcia-Peraza-Herrera, Luis C. and Akcay, Samet and Glocker, Ben "
       "and Vercauteren, Tom},\n"
       "title = {Average Calibration Losses for Reliable Uncertainty in Medical Image Segmentation},\n"
       "howpublished = {arXiv:2506.03942},\nyear = {2025}"},
      {"Hashemi et al., IEEE Access 2019", "hashemi2019", "article",
       "author = {Hashemi, Seyed Raein and Salehi, Seyed Sadegh Mohseni and Erdogmus, Deniz and Prabhu, "
       "Sanjay P. and Warfield, Simon K. and Gholipour, Ali},\n"
       "title = {Asymmetric Loss Functions and Deep Densely-Connected Networks for Highly-Imbalanced "
       "Medical Image Segmentation: Application to Multiple Sclerosis Lesion Detection},\n"
       "journal = {{IEEE} Access},\nvolume = {7},\npages = {1721--1735},\nyear = {2019}"},
      {"Ma 2020", "ma2020", "misc",
       "author = {Ma, Jun},\ntitle = {Segmentation Loss Odyssey},\nhowpublished = {arXiv:2005.13449},\n"
       "year = {2020}"},
      {"Kofler et al., IPMI 2023", "kofler2023", "inproceedings",
       "author = {Kofler, Florian and others},\n"
       "title = {blob loss: Instance Imbalance Aware Loss Functions for Semantic Segmentation},\n"
       "booktitle = {Information Processing in Medical Imaging ({IPMI})},\nyear = {2023}"},
      {"Kervadec et al., MIDL 2019", "kervadec2019", "inproceedings",
       "author = {Kervadec, Hoel and Bouchtiba, Jihene and Desrosiers, Christian and Granger, Eric and "
       "Dolz, Jose and Ben Ayed, Ismail},\ntitle = {Boundary Loss for Highly Unbalanced Segmentation},\n"
       "booktitle = {Medical Imaging with Deep Learning ({MIDL})},\nyear = {2019}"},
      {"Sun et al., MICCAI 2023", "sun2023", "inproceedings",
       "author = {Sun, Fan and Luo, Zhiming and Li, Shaozi},\n"
       "title = {Boundary Difference over Union Loss for Medical Image Segmentation},\n"
       "booktitle = {Medical Image Computing and Computer Assisted Intervention ({MICCAI})},\nyear = {2023}"},
      {"Bouteille et al., arXiv 2511.17146", "bouteille2025", "misc",
       "author = {Bouteille, Luc and Jaus, Alexander and Kleesiek, Jens and Stiefelhagen, Rainer and Heine, "
       "Lukas},\ntitle = {Learning to Look Closer: A New Instance-Wise Loss for Small Cerebral Lesion "
       "Segmentation},\nhowpublished = {arXiv:2511.17146},\nyear = {2025}"},
      {"Liu et al., Medical Image Analysis 2024", "liu2024", "article",
       "author = {Liu, Bingyuan and Dolz, Jose and Galdran, Adrian and Kobbi, Riadh and Ben Ayed, Ismail},\n"
       "title = {Do We Really Need Dice? The Hidden Region-Size Biases of Segmentation Losses},\n"
       "journal = {Medical Image Analysis},\nvolume = {91},\npages = {103015},\nyear = {2024}"},
      {"Shit et al., CVPR 2021", "shit2021", "inproceedings",
       "author = {Shit, Suprosanna and others},\n"
       "title = {{clDice} -- A Novel Topology-Preserving Loss Function for Tubular Structure Segmentation},\n"
       "booktitle = {Computer Vision and Pattern Recognition ({CVPR})},\nyear = {2021}"},
      {"Taghanaki et al., CMIG 2019", "taghanaki2019", "article",
       "author = {Taghanaki, Saeid Asgari and others},\n"
       "title = {Combo Loss: Handling Input and Output Imbalance in Multi-Organ Segmentation},\n"
       "journal = {Computerized Medical Imaging and Graphics},\nvolume = {75},\npages = {24--33},\nyear = {2019}"},
      {"Milletari et al., 3DV 2016", "milletari2016", "inproceedings",
       "author = {Milletari, Fausto and Navab, Nassir and Ahmadi, Seyed-Ahmad},\n"
       "title = {{V-Net}: Fully Convolutional Neural Networks for Volumetric Medical Image Segmentation},\n"
       "booktitle = {{3D} Vision ({3DV})},\nyear = {2016}"},
      {"Drozdzal et al. 2016", "drozdzal2016", "inproceedings",
       "author = {Drozdzal, Michal and Vorontsov, Eugene and Chartrand, Gabriel and Kadoury, Samuel and "
       "Pal, Chris},\ntitle = {The Importance of Skip Connections in Biomedical Image Segmentation},\n"
       "booktitle = {Deep Learning and Data Labeling for Medical Applications ({DLMIA})},\nyear = {2016}"},
      {"Isensee et al., Nature Methods 2021", "isensee2021", "article",
       "author = {Isensee, Fabian and Jaeger, Paul F. and Kohl, Simon A. A. and Petersen, Jens and "
       "Maier-Hein, Klaus H.},\n"
       "title = {{nnU-Net}: A Self-Configuring Method for Deep Learning-Based Biomedical Image Segmentation},\n"
       "journal = {Nature Methods},\nvolume = {18},\npages = {203--211},\nyear = {2021}"},
      {"Isensee et al. 2021", "isensee2021", nullptr, nullptr},  // the same paper
      {"Zhu et al., Medical Physics 2019", "zhu2019", "article",
       "author = {Zhu, Wentao and others},\n"
       "title = {{AnatomyNet}: Deep Learning for Fast and Fully Automated Whole-Volume Segmentation of Head "
       "and Neck Anatomy},\njournal = {Medical Physics},\nvolume = {46},\nnumber = {2},\npages = {576--589},\n"
       "year = {2019}"},
      {"Karimi and Salcudean, TMI 2020", "karimi2020", "article",
       "author = {Karimi, Davood and Salcudean, Septimiu E.},\n"
       "title = {Reducing the {Hausdorff} Distance in Medical Image Segmentation With Convolutional Neural "
       "Networks},\njournal = {{IEEE} Transactions on Medical Imaging},\nvolume = {39},\nnumber = {2},\n"
       "pages = {499--513},\nyear = {2020}"},
      {"Yeung et al., Journal of Digital Imaging 2023", "yeung2023", "article",
       "author = {Yeung, Michael and others},\n"
       "title = {Calibrating the {Dice} Loss to Handle Neural Network Overconfidence for Biomedical Image "
       "Segmentation},\njournal = {Journal of Digital Imaging},\nvolume = {36},\npages = {739--752},\n"
       "year = {2023}"},
      {"Wang et al., MICCAI 2023", "wang2023dml", "inproceedings",
       "author = {Wang, Zifu and Popordanoska, Teodora and Bertels, Jeroen and Lemmens, Robin and Blaschko, "
       "Matthew B.},\ntitle = {{Dice} Semimetric Losses: Optimizing the {Dice} Score with Soft Labels},\n"
       "booktitle = {Medical Image Computing and Computer Assisted Intervention ({MICCAI})},\nyear = {2023}"},
      {"Caliva et al. 2019", "caliva2019", "misc",
       "author = {Caliv\\'a, Francesco and Iriondo, Claudia and Martinez, Alejandro Morales and Majumdar, "
       "Sharmila and Pedoia, Valentina},\ntitle = {Distance Map Loss Penalty Term for Semantic Segmentation},\n"
       "howpublished = {arXiv:1908.03679},\nyear = {2019}"},
      {"Wong et al., MICCAI 2018", "wong2018", "inproceedings",
       "author = {Wong, Ken C. L. and Moradi, Mehdi and Tang, Hui and Syeda-Mahmood, Tanveer},\n"
       "title = {{3D} Segmentation with Exponential Logarithmic Loss for Highly Unbalanced Object Sizes},\n"
       "booktitle = {Medical Image Computing and Computer Assisted Intervention ({MICCAI})},\nyear = {2018}"},
      {"Lin et al., ICCV 2017", "lin2017", "inproceedings",
       "author = {Lin, Tsung-Yi and Goyal, Priya and Girshick, Ross and He, Kaiming and Doll\\'ar, Piotr},\n"
       "title = {Focal Loss for Dense Object Detection},\n"
       "booktitle = {International Conference on Computer Vision ({ICCV})},\nyear = {2017}"},
      {"Abraham and Khan, ISBI 2019", "abraham2019", "inproceedings",
       "author = {Abraham, Nabila and Khan, Naimul Mefraz},\n"
       "title = {A Novel Focal {Tversky} Loss Function with Improved Attention {U-Net} for Lesion "
       "Segmentation},\nbooktitle = {International Symposium on Biomedical Imaging ({ISBI})},\nyear = {2019}"},
      {"Sudre et al., DLMIA 2017", "sudre2017", "inproceedings",
       "author = {Sudre, Carole H. and Li, Wenqi and Vercauteren, Tom and Ourselin, S\\'ebastien and "
       "Cardoso, M. Jorge},\n"
       "title = {Generalised {Dice} Overlap as a Deep Learning Loss Function for Highly Unbalanced "
       "Segmentations},\nbooktitle = {Deep Learning in Medical Image Analysis ({DLMIA})},\nyear = {2017}"},
      {"Celaya et al., arXiv 2302.03868", "celaya2023", "misc",
       "author = {Celaya, Adrian and Riviere, Beatrice and Fuentes, David},\n"
       "title = {A Generalized Surface Loss for Reducing the {Hausdorff} Distance in Medical Imaging "
       "Segmentation},\nhowpublished = {arXiv:2302.03868},\nyear = {2023}"},
      {"Fidon et al., BrainLes 2017", "fidon2017", "inproceedings",
       "author = {Fidon, Lucas and others},\n"
       "title = {Generalised {Wasserstein} {Dice} Score for Imbalanced Multi-Class Segmentation Using "
       "Holistic Convolutional Networks},\nbooktitle = {Brainlesion Workshop ({BrainLes})},\nyear = {2017}"},
      {"Rahman and Wang, ISVC 2016", "rahman2016", "inproceedings",
       "author = {Rahman, Md Atiqur and Wang, Yang},\n"
       "title = {Optimizing Intersection-Over-Union in Deep Neural Networks for Image Segmentation},\n"
       "booktitle = {International Symposium on Visual Computing ({ISVC})},\nyear = {2016}"},
      {"Wang et al., NeurIPS 2023", "wang2023jml", "inproceedings",
       "author = {Wang, Zifu and Ning, Xuefei and Blaschko, Matthew B.},\n"
       "title = {{Jaccard} Metric Losses: Optimizing the {Jaccard} Index with Soft Labels},\n"
       "booktitle = {Neural Information Processing Systems ({NeurIPS})},\nyear = {2023}"},
      {"Berman et al., CVPR 2018", "berman2018", "inproceedings",
       "author = {Berman, Maxim and Triki, Amal Rannen and Blaschko, Matthew B.},\n"
       "title = {The {Lov\\'asz}-Softmax Loss: A Tractable Surrogate for the Optimization of the "
       "Intersection-Over-Union Measure in Neural Networks},\n"
       "booktitle = {Computer Vision and Pattern Recognition ({CVPR})},\nyear = {2018}"},
      {"Abhishek and Hamarneh, ISBI 2021", "abhishek2021", "inproceedings",
       "author = {Abhishek, Kumar and Hamarneh, Ghassan},\n"
       "title = {{Matthews} Correlation Coefficient Loss for Deep Convolutional Networks: Application to "
       "Skin Lesion Segmentation},\nbooktitle = {International Symposium on Biomedical Imaging ({ISBI})},\n"
       "year = {2021}"},
      {"Murugesan et al., MICCAI 2023", "murugesan2023", "inproceedings",
       "author = {Murugesan, Balamurali and others},\n"
       "title = {Trust Your Neighbours: Penalty-Based Constraints for Model Calibration},\n"
       "booktitle = {Medical Image Computing and Computer Assisted Intervention ({MICCAI})},\nyear = {2023}"},
      {"Yang et al., MIDL 2019", "yang2019", "inproceedings",
       "author = {Yang, Su and Kweon, Jihoon and Kim, Young-Hak},\n"
       "title = {Major Vessel Segmentation on X-ray Coronary Angiography Using Deep Networks with a Novel "
       "Penalty Loss Function},\n"
       "booktitle = {Medical Imaging with Deep Learning ({MIDL}), extended abstracts},\nyear = {2019}"},
      {"Valverde and Tohka, Pattern Recognition 2023", "valverde2023", "article",
       "author = {Valverde, Juan Miguel and Tohka, Jussi},\n"
       "title = {Region-Wise Loss for Biomedical Image Segmentation},\njournal = {Pattern Recognition},\n"
       "volume = {136},\npages = {109208},\nyear = {2023}"},
      {"Brosch et al., MICCAI 2015", "brosch2015", "inproceedings",
       "author = {Brosch, Tom and Yoo, Youngjin and Tang, Lisa Y. W. and Li, David K. B. and Traboulsee, "
       "Anthony and Tam, Roger},\n"
       "title = {Deep Convolutional Encoder Networks for Multiple Sclerosis Lesion Segmentation},\n"
       "booktitle = {Medical Image Computing and Computer Assisted Intervention ({MICCAI})},\nyear = {2015}"},
      {"Kirchhoff et al., ECCV 2024", "kirchhoff2024", "inproceedings",
       "author = {Kirchhoff, Yannick and others},\n"
       "title = {Skeleton Recall Loss for Connectivity Conserving and Resource Efficient Segmentation of "
       "Thin Tubular Structures},\nbooktitle = {European Conference on Computer Vision ({ECCV})},\nyear = {2024}"},
      {"MIST, surface_dice_dilation.py", "mist", "misc",
       "author = {Celaya, Adrian and others},\ntitle = {{MIST}: the Medical Imaging Segmentation Toolkit},\n"
       "howpublished = {software, module surface\\_dice\\_dilation}"},
      {"Wu et al. 2016", "wu2016", "misc",
       "author = {Wu, Zifeng and Shen, Chunhua and van den Hengel, Anton},\n"
       "title = {Bridging Category-Level and Instance-Level Semantic Image Segmentation},\n"
       "howpublished = {arXiv:1605.06885},\nyear = {2016}"},
      {"Salehi et al., MLMI 2017", "salehi2017", "inproceedings",
       "author = {Salehi, Seyed Sadegh Mohseni and Erdogmus, Deniz and Gholipour, Ali},\n"
       "title = {{Tversky} Loss Function for Image Segmentation Using {3D} Fully Convolutional Deep Networks},\n"
       "booktitle = {Machine Learning in Medical Imaging ({MLMI})},\nyear = {2017}"},
      {"Yeung et al., CMIG 2022", "yeung2022", "article",
       "author = {Yeung, Michael and Sala, Evis and Sch\\\"onlieb, Carola-Bibiane and Rundo, Leonardo},\n"
       "title = {Unified Focal Loss: Generalising {Dice} and Cross Entropy-Based Losses to Handle Class "
       "Imbalanced Medical Image Segmentation},\njournal = {Computerized Medical Imaging and Graphics},\n"
       "volume = {95},\npages = {102026},\nyear = {2022}"},
      {"Bertels et al., MICCAI 2019", "bertels2019", "inproceedings",
       "author = {Bertels, Jeroen and others},\n"
       "title = {Optimizing the {Dice} Score and {Jaccard} Index for Medical Image Segmentation: Theory and "
       "Practice},\nbooktitle = {Medical Image Computing and Computer Assisted Intervention ({MICCAI})},\n"
       "year = {2019}"},
      {"Eelbode et al., TMI 2020", "eelbode2020", "article",
       "author = {Eelbode, Tom and others},\n"
       "title = {Optimization for Medical Image Segmentation: Theory and Practice When Evaluating With "
       "{Dice} Score or {Jaccard} Index},\njournal = {{IEEE} Transactions on Medical Imaging},\nvolume = {39},\n"
       "number = {11},\npages = {3679--3690},\nyear = {2020}"},
      {"", "ronneberger2015", "inproceedings",
       "author = {Ronneberger, Olaf and Fischer, Philipp and Brox, Thomas},\n"
       "title = {{U-Net}: Convolutional Networks for Biomedical Image Segmentation},\n"
       "booktitle = {Medical Image Computing and Computer Assisted Intervention ({MICCAI})},\nyear = {2015}"},
      {"", "loshchilov2019", "inproceedings",
       "author = {Loshchilov, Ilya and Hutter, Frank},\ntitle = {Decoupled Weight Decay Regularization},\n"
       "booktitle = {International Conference on Learning Representations ({ICLR})},\nyear = {2019}"},
      {"", "kingma2015", "inproceedings",
       "author = {Kingma, Diederik P. and Ba, Jimmy},\ntitle = {{Adam}: A Method for Stochastic Optimization},\n"
       "booktitle = {International Conference on Learning Representations ({ICLR})},\nyear = {2015}"},
      {"", "satterthwaite1946", "article",
       "author = {Satterthwaite, F. E.},\n"
       "title = {An Approximate Distribution of Estimates of Variance Components},\n"
       "journal = {Biometrics Bulletin},\nvolume = {2},\nnumber = {6},\npages = {110--114},\nyear = {1946}"},
      {"", "smyth2004", "article",
       "author = {Smyth, Gordon K.},\n"
       "title = {Linear Models and Empirical {Bayes} Methods for Assessing Differential Expression in Microarray "
       "Experiments},\njournal = {Statistical Applications in Genetics and Molecular Biology},\nvolume = {3},\n"
       "number = {1},\nyear = {2004}"},
      {"", "holm1979", "article",
       "author = {Holm, Sture},\ntitle = {A Simple Sequentially Rejective Multiple Test Procedure},\n"
       "journal = {Scandinavian Journal of Statistics},\nvolume = {6},\nnumber = {2},\npages = {65--70},\n"
       "year = {1979}"},
      {"", "schuirmann1987", "article",
       "author = {Schuirmann, Donald J.},\n"
       "title = {A Comparison of the Two One-Sided Tests Procedure and the Power Approach for Assessing the "
       "Equivalence of Average Bioavailability},\n"
       "journal = {Journal of Pharmacokinetics and Biopharmaceutics},\nvolume = {15},\nnumber = {6},\n"
       "pages = {657--680},\nyear = {1987}"},
  };
  // clang-format on
  return all;
}

}  // namespace voxgrad::apps
