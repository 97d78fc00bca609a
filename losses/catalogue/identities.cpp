#include "losses/catalogue/identities.h"

#include <algorithm>

#include "losses/core/grammar.h"

namespace voxgrad::losses {

const std::vector<Identity>& identities() {
  // The smoothing of a Tversky index is half that of Dice, because (I + s) / (..) = (2 I + 2 s) / (..).
  static const std::vector<Identity> all{
      {"focal:gamma=0", "ce"},
      {"ce:weights=1/1", "ce", Channels::two_classes},
      {"ce:weights=3/3,weight_norm=weights", "ce", Channels::two_classes},
      {"topk:percent=100", "ce"},
      {"topk_threshold:threshold=1", "ce"},
      {"tversky:alpha=0.5,beta=0.5,smooth_nr=5e-06,smooth_dr=5e-06", "dice"},
      {"tversky:alpha=1,beta=1", "jaccard"},
      {"asymmetric:beta=2", "tversky:alpha=0.2,beta=0.8"},
      {"asymmetric:beta=1,smooth_nr=5e-06,smooth_dr=5e-06", "dice"},
      {"focal_tversky:gamma=1", "tversky"},
      {"dice_pp:gamma=1", "dice"},
      {"boundary_dou:most=-1", "dice:denominator=squared,batch=1,smooth_nr=0"},
      {"generalized_dice:weighting=uniform", "dice:pool_classes=1", Channels::several},
      {"penalty_gd:k=0", "generalized_dice"},
      {"penalty_gd:k=0,form=coefficient", "generalized_dice"},
      {"dml", "dice"},
      {"jml", "jaccard"},
      {"dml:background=0,batch=1,absent=ignore", "dice:background=0,batch=1,absent=ignore"},
      {"combo:alpha=0,shift=1", "dice:batch=1,smooth_nr=1,smooth_dr=1"},
      {"combo:alpha=1,beta=0.5", "0.5*ce", Channels::one},
      {"dice_ce", "dice+ce"},
      {"dice_ce:lambda_dice=0.7,lambda_ce=1.3", "0.7*dice+1.3*ce"},
      {"dice_ce:background=0,batch=1", "dice:background=0,batch=1+ce"},
      {"dice_focal", "dice+focal"},
      {"dice_focal:lambda_dice=0.7,lambda_focal=1.3,gamma=3", "0.7*dice+1.3*focal:gamma=3"},
      {"dice_focal:gamma=0", "dice_ce"},
      {"dice_topk", "dice+topk"},
      {"dice_topk:lambda_dice=0.7,lambda_topk=1.3,percent=35", "0.7*dice+1.3*topk:percent=35"},
      {"dice_topk:percent=100", "dice_ce"},
      {"dice_hd:balance=fixed,lambda_hd=1", "dice:background=0+hausdorff_dt"},
      {"dice_hd:balance=fixed,lambda_hd=0.3,alpha=1.5", "dice:background=0+0.3*hausdorff_dt:alpha=1.5"},
      {"generalized_wasserstein_dice", "dice:background=0", Channels::two_classes},
      {"generalized_wasserstein_dice:distances=0/3/3/0", "generalized_wasserstein_dice", Channels::two_classes},
      {"exp_log:w_dice=0,w_ce=1,gamma_ce=1,weights=0.5/2", "ce:weights=0.5/2", Channels::two_classes},
      {"exp_log:w_dice=1,w_ce=0,gamma_dice=1,smooth=1", "dice:transform=neg_log,smooth_nr=1,smooth_dr=1"},
      {"gd_boundary:alpha=0", "generalized_dice"},
      {"gd_boundary:alpha=1,schedule=rebalance,least=0", "boundary"},
      {"gd_boundary:alpha=0.3,sdf=plain", "generalized_dice+0.3*boundary:sdf=plain"},
      {"gd_boundary:alpha=0.3,schedule=rebalance", "0.7*generalized_dice+0.3*boundary"},
      {"gd_boundary:alpha=0.95,schedule=rebalance", "0.1*generalized_dice+0.95*boundary"},
      {"ce_l1", "ce+region_size"},
      {"ce_kl", "ce+region_size:kind=kl"},
      {"ce_db", "ce+region_size:kind=db"},
      {"ce_l1:lambda=0", "ce"},
      {"ce_kl:lambda=0", "ce"},
      {"ce_db:lambda=0", "ce"},
      {"ce_l1:lambda=0.4,temperature=3", "ce+0.4*region_size:temperature=3"},
      {"ce_kl:lambda=0.4,temperature=3", "ce+0.4*region_size:temperature=3,kind=kl"},
      {"ce_db:lambda=0.4,temperature=3", "ce+0.4*region_size:temperature=3,kind=db"},
      {"unified_focal:lambda=1,gamma=0,delta=0.3", "ce:weights=0.7/0.3", Channels::two_classes},
      {"unified_focal:delta=0.5,gamma=0", "0.25*ce+0.5*tversky:alpha=0.5,beta=0.5,smooth_nr=1e-07,smooth_dr=1e-07",
       Channels::several},
  };
  return all;
}

std::vector<Identity> identities_of(const std::string& name) {
  const auto mentions = [&](const std::string& text) {
    const std::vector<TermText> terms = parse_terms(text);
    return std::any_of(terms.begin(), terms.end(), [&](const TermText& term) { return term.name == name; });
  };
  std::vector<Identity> found;
  for (const Identity& identity : identities())
    if (mentions(identity.left) || mentions(identity.right)) found.push_back(identity);
  return found;
}

}  // namespace voxgrad::losses
