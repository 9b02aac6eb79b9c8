"""Every kind of mistake in a recipe, word for word, in its line."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autospikformer_cli.errors import Faults, UserError
from autospikformer_cli.recipe import load_recipe, recipe_from_toml
from autospikformer_cli.recipe.sections import EVENT_DATASETS, NEURONS
from autospikformer_cli.recipe.toml_text import toml_value
from autospikformer_cli.recipe.whole import known_keys

FaultsOf = Callable[..., list[tuple[str | None, str, str | None]]]

KEYS_OF_ENERGY = (
    "[energy] has the keys profile, convention, first_layer_steps, residual, order, event_input, rate, border, "
    "batchnorm_folded, head"
)
KEYS_OF_TRAIN = (
    "[train] has the keys epochs, batch, accumulate, activation_checkpointing, sync_batchnorm, sampling, "
    "neuron_curriculum, time_step_curriculum, distillation, initial_weights, whitened_stem, optimizer, matrix_lr, "
    "matrix_weight_decay, norm_bias_lr_factor, clip_norm, unused_weights, schedule, lr, lr_start, lr_end, "
    "warmup_epochs, cooldown_epochs, weight_decay, ema_half_life, ema_choice, label_smoothing, mixup, "
    "mixup_probability, mixup_epochs, mixed_precision, tf32, validation_images, measured_subnets, final, "
    "patience, keep_last"
)

ONE_KEY = [
    ("[search]\npopulaton = 3", 16, "search.populaton is not a key", "did you mean search.population?"),
    ("alpha = 0.3", 15, "train.alpha is not a key", "did you mean search.alpha?"),
    ("generatons = 3", 15, "train.generatons is not a key", "did you mean search.generations?"),
    ("[energy]\nzzz = 3", 16, "energy.zzz is not a key", KEYS_OF_ENERGY),
    ("[serach]\nalpha = 0.3", 15, "serach is not a key", "did you mean search?"),
    ('"two words" = 3', 15, 'train."two words" is not a key', KEYS_OF_TRAIN),
    ("batch = 3.0", 15, "train.batch must be a whole number, not 3.0", "write 3"),
    ("batch = 1e3", 15, "train.batch must be a whole number, not 1e+3", "write 1000"),
    ("batch = 3e0", 15, "train.batch must be a whole number, not 3.0", "write 3"),
    ("batch = 2.5", 15, "train.batch must be a whole number, not 2.5", None),
    ("batch = 1e99", 15, "train.batch must be a whole number, not 1e+99", None),
    ("batch = inf", 15, "train.batch must be a whole number, not inf", None),
    ("batch = true", 15, "train.batch must be a whole number, not true", None),
    ('batch = "3"', 15, 'train.batch must be a whole number, not "3"', None),
    ("batch = 0", 15, "train.batch is 0, it must be at least 1", None),
    ("batch = 2005-05-05", 15, "train.batch must be a whole number, not 2005-05-05", None),
    (
        "batch = 9223372036854775808",
        15,
        "train.batch is 9223372036854775808, it must be at most 9223372036854775807",
        None,
    ),
    ("cooldown_epochs = 1e6", 15, "train.cooldown_epochs is 1e+6, it must be at most 100000", None),
    ("[search]\npopulation = 100001", 16, "search.population is 100001, it must be at most 100000", None),
    ("validation_images = 'all'", 15, 'train.validation_images must be a whole number or "none", not "all"', None),
    ("lr = nan", 15, "train.lr must be finite, not nan", None),
    ("lr = -inf", 15, "train.lr must be finite, not -inf", None),
    ("lr = 1e999", 15, "train.lr must be finite, not 1e+999", None),
    ('lr = "fast"', 15, 'train.lr must be a number, not "fast"', None),
    ("lr = false", 15, "train.lr must be a number, not false", None),
    ("lr = 0", 15, "train.lr is 0, it must be greater than 0", None),
    (
        "mixup_epochs = 1.5",
        15,
        "train.mixup_epochs must be a share from 0 to 1, or a whole number from 2 on, not 1.5",
        None,
    ),
    (
        "mixup_epochs = true",
        15,
        "train.mixup_epochs must be a share from 0 to 1, or a whole number from 2 on, not true",
        None,
    ),
    ("label_smoothing = 1.0", 15, "train.label_smoothing is 1.0, it must be less than 1", None),
    ("[search]\nalpha = 1.5", 16, "search.alpha is 1.5, it must be at most 1", None),
    ("[search]\nbaseline = [1, 1e7]", 16, "search.baseline[1] is 1e+7, it must be at most 1000000", None),
    ("[search]\npercentile = [5]", 16, "search.percentile must be two numbers, the lower one first, not [5]", None),
    (
        "[search.bounds]\nenergy_j = [0, 1e-3]\ntop1 = [9, 1]",
        17,
        "search.bounds.top1 must be two numbers, the lower one first, not [9, 1]",
        None,
    ),
    ("[model]\ndecay_input = 1", 16, "model.decay_input must be true or false, not 1", None),
    ("[model]\nreset = 'sotf'", 16, 'model.reset must be "hard" or "soft", not "sotf"', 'did you mean "soft"?'),
    ("[energy]\norder = 'x'", 16, 'energy.order must be "qk_v", "q_kv" or "none", not "x"', None),
    ("[energy]\nbatchnorm_folded = 1", 16, 'energy.batchnorm_folded must be true or false or "none", not 1', None),
    ("[energy]\nevent_input = 'x'", 16, 'energy.event_input must be "ac", "mac" or "none", not "x"', None),
    ("[model]\nneuron = 'lfi'", 16, 'model.neuron: "lfi" is not one of NEURONS', 'did you mean "lif"?'),
    (
        "[model]\nneuron = 'izhikevich'",
        16,
        'model.neuron: "izhikevich" is not one of NEURONS',
        "install the plugin that adds it, or choose another",
    ),
    ("[model]\nneuron = 3", 16, "model.neuron must be a string, not 3", None),
    (
        "[model]\nnetwork = 'transfomer'",
        16,
        'model.network must be "spikformer" or "transformer", not "transfomer"',
        'did you mean "transformer"?',
    ),
    ("[model]\nstem_threshold = 0", 16, "model.stem_threshold is 0, it must be at least 0.000000001", None),
    ("[model]\nattention_threshold = -1", 16, "model.attention_threshold is -1, it must be at least 0.000000001", None),
    ("[model]\nevaluation_memory = 0.5", 16, "model.evaluation_memory must be a whole number, not 0.5", None),
    ("[model]\nevaluation_batch = 0", 16, "model.evaluation_batch is 0, it must be at least 1", None),
    ("[model]\nqkv_bias = 'no'", 16, 'model.qkv_bias must be true or false, not "no"', None),
    ("mixup_probability = 1.5", 15, "train.mixup_probability is 1.5, it must be at most 1", None),
    ("[model]\npooled_stages = 3", 16, "model.pooled_stages must be a list, not 3", None),
    (
        "[model]\npooled_stages = [4, 3]",
        16,
        "model.pooled_stages must be some of the stem's stages 1, 2, 3 and 4, ascending, not [4, 3]",
        None,
    ),
    ("[[search]]\nalpha = 0.3", 15, "search must be a table, not [{alpha = 0.3}]", None),
    ("[search]\nbounds = 3", 16, 'search.bounds must be a table or "none", not 3', None),
]


@pytest.mark.parametrize(("text", "line", "what", "fix"), ONE_KEY)
def test_one_mistake_is_told_in_its_line(
    text: str, line: int, what: str, fix: str | None, faults_of: FaultsOf, small: str
) -> None:
    what = what.replace("NEURONS", ", ".join(NEURONS.names()))
    assert faults_of(small + text + "\n") == [(f"mine.toml:{line}", what, fix)]


IMAGES = ("digits", "cifar10", "cifar100", "folder")
DATASETS = " or ".join([", ".join(f'"{name}"' for name in (*IMAGES, *EVENT_DATASETS[:-1])), f'"{EVENT_DATASETS[-1]}"'])
DATA = [
    ("dataset = 3", f"data.dataset must be {DATASETS}, not 3", None),
    ('dataset = "cifar1O"', f'data.dataset must be {DATASETS}, not "cifar1O"', 'did you mean "cifar10"?'),
    ('dataset = "digits"\nroot = 3', "data.root must be a string, not 3", None),
    ('dataset = "digits"\nroot = ""', "data.root must not be empty", None),
    ('dataset = "digits"\nnormalise = "none"', 'data.normalise must be "dataset", not "none"', None),
    (
        'dataset = "digits"\nnormalise = {mean = [0.5], std = [0]}',
        "data.normalise.std[0] is 0, it must be at least 0.000000001",
        None,
    ),
    (
        'dataset = "digits"\nnormalise = {mean = [0.5]}',
        "data.normalise.std is missing",
        "write it in data.normalise = {...}",
    ),
    (
        'dataset = "digits"\nnormalise = {mean = [0.5], std = [0.5, 1]}',
        "data.normalise has 1 mean and 2 deviations, it must have one of each a channel",
        None,
    ),
    (
        'dataset = "digits"\nnormalise = {mean = [0.5, 0.5], std = [0.5, 1]}',
        "data.normalise is for 2 channels, images of digits have 1",
        None,
    ),
    *(
        (
            f'dataset = "digits"\nbackground = {value}',
            f"data.background must be three whole numbers from 0 to 255, red, green and blue, not {value}",
            "write [255, 255, 255] for white, [0, 0, 0] for black",
        )
        for value in ("[1, 2]", "[1, 2, 3, 4]", '"red"', "{r = 1}")
    ),
    ('dataset = "digits"\nbackground = [1, 2, 256]', "data.background[2] is 256, it must be at most 255", None),
    ('dataset = "digits"\nframes = 0', "data.frames is 0, it must be at least 1", None),
    ('dataset = "digits"\nframes = 1001', "data.frames is 1001, it must be at most 1000", None),
    ('dataset = "digits"\nsplit_by = "events"', 'data.split_by must be "count" or "time", not "events"', None),
    ('dataset = "digits"\npolarity = "both"', 'data.polarity must be "separate" or "merged", not "both"', None),
    ('dataset = "digits"\ncache = ""', "data.cache must not be empty", None),
    (
        'dataset = "digits"\naugment = "events"',
        'data.augment = "events" does not fit digits, which has images',
        'write augment = "spikformer", "translate", "flip" or "none"',
    ),
    (
        'dataset = "nmnist"\naugment = "spikformer"',
        'data.augment = "spikformer" does not fit nmnist, which has events',
        'write augment = "events", "flip" or "none"',
    ),
    (
        'dataset = "nmnist"\naugment = "translate"',
        'data.augment = "translate" does not fit nmnist, which has events',
        'write augment = "events", "flip" or "none"',
    ),
    ('dataset = "digits"\ntranslation = -1', "data.translation is -1, it must be at least 0", None),
    (
        'dataset = "nmnist"\naugment = "flip"\nnormalise = {mean = [0.5], std = [0.5]}',
        "data.normalise does not apply to nmnist: frames of events are counts, and stay so",
        None,
    ),
    (
        'dataset = "folder"',
        'data.image_size is missing, data.dataset = "folder" needs it',
        "write the side in pixels, for example image_size = 32, in [data]",
    ),
]


@pytest.mark.parametrize(("text", "what", "fix"), DATA)
def test_mistakes_in_data(text: str, what: str, fix: str | None, faults_of: FaultsOf, small: str) -> None:
    found = faults_of(small.replace('dataset = "digits"', text))
    assert [fault[1:] for fault in found] == [(what, fix)]
    assert found[0][0] in ("mine.toml:4", "mine.toml:5", "mine.toml:6")


def test_a_time_step_has_a_frame_of_its_own(faults_of: FaultsOf, small: str) -> None:
    events = small.replace('dataset = "digits"', 'dataset = "nmnist"\naugment = "none"\nframes = 3')
    what = "space.time_step: the largest, 4, is more than data.frames 3"
    fix = "a time step reads one frame: raise data.frames, or lower space.time_step"
    assert faults_of(events) == [("mine.toml:14", what, fix)]
    assert faults_of(events.replace("frames = 3", ""), "data.frames=3") == [("--set data.frames=3", what, fix)]


@pytest.mark.parametrize("dataset", EVENT_DATASETS)
def test_event_data_loads_with_what_suits_it(dataset: str, small: str) -> None:
    text = small.replace('"digits"', f'"{dataset}"')
    for augment in ("events", "flip", "none"):
        overrides = [f'data.augment="{augment}"', "data.image_size=64"]
        assert recipe_from_toml(text, overrides=overrides).data.frames == 10


CHOICES = [
    ("depth = 4", "depth must be a list of choices or a range {low = , high = , step = }, not 4", "= [4]"),
    ("depth = 'x'", 'depth must be a list of choices or a range {low = , high = , step = }, not "x"', None),
    ("depth = []", "depth has no choices", None),
    ("depth = [2, 1, 2]", "depth has 2 more than once", None),
    ("depth = [0]", "depth[0] is 0, it must be at least 1", None),
    ("depth = [1, 2.0]", "depth[1] must be a whole number, not 2.0", "write 2"),
    ("depth = {low = 4, high = 2, step = 1}", ": low 4 is greater than high 2", None),
    ("depth = {low = 1, high = 2, step = 0}", "depth.step is 0, it must be at least 1", None),
    (
        "depth = {low = 1, high = 4, step = 2}",
        ": high 4 is not reached from low 1 in steps of 2",
        "the last value is 3: write high = 3",
    ),
    ("depth = {low = 1, high = 2}", "depth.step is missing", "write space.depth = {low = , high = , step = }"),
    ("depth = {low = 1, high = 1000000, step = 1}", " has 1000000 choices, it must have at most 1000", None),
    ("tau = [0.5]", "tau[0] is 0.5, it must be at least 1", None),
    ("tau = [2, 2.0]", "tau has 2 more than once", None),
    ("tau = {low = 0.5, high = 2, step = 0.5}", "tau.low is 0.5, it must be at least 1", None),
    ("tau = {low = 1, high = inf, step = 0.5}", "tau.high must be finite, not inf", None),
    ("tau = [1.0000000001]", "tau[0] is 1.0000000001, it must have at most 9 decimal places", None),
    ("tau = ['2']", 'tau[0] must be a number, not "2"', None),
    ("threshold = [0.0]", "threshold[0] is 0.0, it must be greater than 0", None),
    (
        "threshold = {low = 0.6, high = 1.3, step = 0.2}",
        ": high 1.3 is not reached from low 0.6 in steps of 0.2",
        "the last value is 1.2: write high = 1.2",
    ),
]


@pytest.mark.parametrize(("text", "what", "fix"), CHOICES)
def test_mistakes_in_choices(text: str, what: str, fix: str | None, faults_of: FaultsOf, small: str) -> None:
    gene = text.split(" ")[0]
    lines = [text if line.startswith(f"{gene} =") else line for line in small.splitlines()]
    expected = f"space.{what}" if what.startswith(gene) else f"space.{gene}{what}"
    ((where, told, remedy),) = faults_of("\n".join(lines))
    assert (where, told) == (f"mine.toml:{lines.index(text) + 1}", expected)
    assert remedy == ("write space.depth = [4]" if fix == "= [4]" else fix)


def test_a_key_of_a_range_is_suggested(faults_of: FaultsOf, small: str) -> None:
    text = small.replace("tau = [2]", "tau = {low = 2, hihg = 3, high = 3,\n  setp = 1, step = 1}")
    assert faults_of(text) == [
        ("mine.toml:11", "space.tau.hihg is not a key", "did you mean space.tau.high?"),
        ("mine.toml:12", "space.tau.setp is not a key", "did you mean space.tau.step?"),
    ]


BETWEEN = [
    ("space.embed_dim=[100, 200]", "space.embed_dim: 100, 200 are not divisible by num_heads 12", None),
    ("space.embed_dim=[104]", "space.embed_dim: 104 is not divisible by num_heads 12", None),
    (
        "space.embed_dim={low=97, high=197, step=20}",
        "space.embed_dim: 97, 117, 137 and 3 more are not divisible by num_heads 12",
        None,
    ),
    (
        "space.embed_dim=[12]",
        "space.embed_dim: the largest, 12, is not divisible by 8",
        "the stem's stages have an eighth, a quarter, a half and all of its channels",
    ),
    (
        "train.epochs=3",
        "train.epochs is 3, less than warmup_epochs 20 + cooldown_epochs 10",
        "write less, as by --set train.warmup_epochs=1 --set train.cooldown_epochs=0.5, or raise train.epochs",
    ),
    (
        'train.distillation="soft_labels"',
        (
            'train.distillation = "soft_labels" needs the largest subnet in each step, train.sampling = "single" has '
            "it not"
        ),
        'write sampling = "sandwich" in [train]',
    ),
    (
        "train.weight_decay=2000",
        "train.weight_decay 2000 at train.lr 0.0005 takes 1 times each weight in a step",
        "write a weight_decay of less than 2000, or lower lr",
    ),
    ("search.parents=60", "search.parents is 60, more than search.population 50", None),
    (
        'search.normalise="fixed"',
        'search.bounds is missing, search.normalise = "fixed" needs it',
        "write bounds = {top1 = [low, high], energy_j = [low, high]} in [search]",
    ),
    (
        "search.baseline=[1, 2, 12, 1, 2, 4]",
        (
            "search.baseline: subnet (1, 2, 12, 1, 2, 4) is not (depth, mlp_ratio x depth, num_heads x depth, "
            "threshold x depth, tau x depth, time_step, embed_dim)"
        ),
        "a subnet of depth d has 4 d + 3 numbers, for example (2, 3.8, 3.6, 12, 12, 1.4, 2.0, 5, 2, 4, 348)",
    ),
    (
        "search.baseline=[1, 2, 12, 1, 3, 4, 96]",
        "search.baseline is outside [space]: tau of block 0 is 3, the choices are 2",
        None,
    ),
]


@pytest.mark.parametrize(("override", "what", "fix"), BETWEEN)
def test_rules_between_keys_blame_the_key_set_last(
    override: str, what: str, fix: str | None, faults_of: FaultsOf, small: str
) -> None:
    text = small.replace("num_heads = [2, 4]", "num_heads = [12]").replace("[32, 48]", "[96]")
    found = faults_of(text, override)
    assert (f"--set {override}", what, fix) in found
    assert all("embed_dim" in told for _, told, _ in found) or len(found) == 1


@pytest.mark.parametrize(
    ("override", "told"),
    [
        (
            "train.mixup_epochs=nan",
            "train.mixup_epochs must be a share from 0 to 1, or a whole number from 2 on, not nan",
        ),
        ("model.attention_scale=1e308", "model.attention_scale is 1e+308, it must be at most 1000000"),
        ("model.stem_threshold=1e-308", "model.stem_threshold is 1e-308, it must be at least 0.000000001"),
        ("data.normalise={mean=[1e39], std=[1]}", "data.normalise.mean[0] is 1e+39, it must be at most 1000000"),
        ("data.normalise={mean=[0], std=[1e-300]}", "data.normalise.std[0] is 1e-300, it must be at least 0.000000001"),
        ("space.mlp_ratio=[0.03, 3]", "space.mlp_ratio: 0.03 times embed_dim 32 is less than one hidden neuron"),
        ("space.depth=[2, 1000]", "space.depth has 1,000 blocks, it must have at most 256"),
        ("space.depth={low=1, high=999, step=1}", "space.depth has 999 blocks, it must have at most 256"),
    ],
)
def test_values_beyond_all_bounds(faults_of: FaultsOf, small: str, override: str, told: str) -> None:
    assert told in [what for _, what, _ in faults_of(small, override)]


def test_a_store_that_a_later_rule_forbids_stays_readable(small: str) -> None:
    stored = recipe_from_toml(small).to_toml().replace("\nweight_decay = 0.06\n", "\nweight_decay = 1e6\n")
    recipe = recipe_from_toml(stored)
    assert recipe.train.weight_decay == 1e6
    with pytest.raises(UserError, match="times each weight in a step"):
        recipe_from_toml(stored, overrides=["train.lr=0.001"])


@pytest.mark.parametrize("schedule", ["after_warmup", "linear", "timm"])
@pytest.mark.parametrize("epochs", [1, 2, 3, 7, 19])
def test_fewer_epochs_than_the_warm_up_have_a_remedy_that_can_be_typed(
    faults_of: FaultsOf, small: str, epochs: int, schedule: str
) -> None:
    given = [f'train.schedule="{schedule}"', f"train.epochs={epochs}"]
    ((_, told, fix),) = faults_of(small, *given)
    assert told.startswith(f"train.epochs is {epochs}, less than warmup_epochs 20")
    assert fix is not None
    typed = [word for word in fix.replace(",", "").split() if word.startswith("train.") and "=" in word]
    train = recipe_from_toml(small, overrides=[*given, *typed]).train
    assert 0 < train.warmup_epochs < epochs


def test_timms_schedule_adds_whole_epochs_and_needs_none_for_the_cool_down(faults_of: FaultsOf, small: str) -> None:
    timm = 'train.schedule="timm"'
    text = small.replace("epochs = 30", "epochs = 25")
    assert recipe_from_toml(text, overrides=[timm]).train.total_epochs == 35
    assert faults_of(text, timm, "train.warmup_epochs=26", "train.cooldown_epochs=0.5") == [
        (
            "--set train.warmup_epochs=26",
            "train.epochs is 25, less than warmup_epochs 26",
            "write less, as by --set train.warmup_epochs=12, or raise train.epochs",
        ),
        (
            "--set train.cooldown_epochs=0.5",
            'train.cooldown_epochs is 0.5: train.schedule = "timm" adds whole epochs',
            "write a whole number",
        ),
    ]


def test_a_fidelity_is_not_blamed_for_a_warm_up_that_no_schedule_has_room_for(faults_of: FaultsOf, small: str) -> None:
    given = ("train.epochs=3", 'fidelity="authors"')
    assert [fault[:2] for fault in faults_of(small, *given)] == [
        ("--set train.epochs=3", "train.epochs is 3, less than warmup_epochs 20")
    ]
    cooldown = ("train.cooldown_epochs=0.5", 'fidelity="authors"', "train.epochs=40")
    (fault,) = faults_of(small, *cooldown)
    assert fault[1] == 'train.cooldown_epochs is 0.5: train.schedule = "timm" adds whole epochs'
    assert "train.epochs" not in str(fault[0])


def test_a_rule_is_located_in_the_file_where_nothing_else_set_it(faults_of: FaultsOf, small: str) -> None:
    assert [fault[:2] for fault in faults_of(small.replace("epochs = 30", "epochs = 29"))] == [
        ("mine.toml:14", "train.epochs is 29, less than warmup_epochs 20 + cooldown_epochs 10")
    ]


def test_all_mistakes_at_once_rules_beside_wrong_keys(faults_of: FaultsOf, small: str) -> None:
    text = small.replace("[32, 48]", "[\n  32,\n  30, # no\n]").replace("epochs = 30", 'epochs = "ten"')
    found = faults_of(text + "\n[search]\nparents = 90\np_depth = 2\n", "search.alpha=7", "x=")
    assert found == [
        ("mine.toml:9", "space.embed_dim: 30 is not divisible by num_heads 4", None),
        ("mine.toml:17", 'train.epochs must be a whole number, not "ten"', None),
        ("mine.toml:20", "search.parents is 90, more than search.population 50", None),
        ("mine.toml:21", "search.p_depth is 2, it must be at most 1", None),
        ("--set search.alpha=7", "search.alpha is 7, it must be at most 1", None),
        ("--set x=", 'x: "" is not a TOML value', "quote a string: --set 'x=\"\"'"),
    ]


def test_missing_keys_are_missed_at_their_table_or_in_the_file(faults_of: FaultsOf, small: str) -> None:
    remedy = "write epochs in [train], or extend a recipe that has it"
    without = small.replace("epochs = 30", "")
    assert faults_of(without, "train.lr=1") == [("mine.toml:13", "train.epochs is missing", remedy)]
    assert faults_of(without.replace("[train]", "")) == [("mine.toml", "train.epochs is missing", remedy)]
    assert [what for _, what, _ in faults_of("")] == [
        "data.dataset is missing",
        *(f"space.{gene} is missing" for gene in known_keys()["space"]),
        "train.epochs is missing",
    ]


def test_a_store_s_text_is_checked_too(small: str) -> None:
    """Nobody can open its lines."""
    with pytest.raises(Faults) as caught:
        recipe_from_toml(small + "batch = 0\n", name="runs/x")
    assert str(caught.value) == "runs/x: train.batch is 0, it must be at least 1"


TOML_VALUES = st.recursive(
    st.booleans()
    | st.integers(-3, 10**7)
    | st.decimals(allow_nan=True, allow_infinity=True).filter(lambda value: not value.is_snan())
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    | st.sampled_from(["none", "dataset", "fixed", "digits"]),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(st.sampled_from(["low", "high", "step", "mean", "std", "top1", "energy_j", "x"]), children)
    ),
    max_leaves=8,
)
EVERY_KEY = [f"{table}.{key}" if table else key for table, keys in known_keys().items() for key in keys]


@settings(max_examples=300)
@given(key=st.sampled_from(EVERY_KEY), value=TOML_VALUES)
def test_any_value_of_any_key_is_taken_or_refused_in_our_words(key: str, value: Any) -> None:
    try:
        recipe = load_recipe("quickstart", [f"{key}={toml_value(value)}"])
    except UserError as error:
        told = str(error)
    else:
        told = ""
        assert recipe_from_toml(recipe.to_toml()) == recipe
    assert not any(foreign in told for foreign in ("Input should", "<list", "<range", "<name", "<table"))


def test_decimals_of_a_wrong_value_are_shown_as_typed() -> None:
    assert toml_value([Decimal("1.50"), Decimal("inf"), None, {"a b": "\x7f\n"}]) == (
        '[1.50, inf, "none", {"a b" = "\\u007f\\n"}]'
    )
