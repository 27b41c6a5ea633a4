"""The program's own boundaries: measured, chosen and paired."""

from itertools import combinations

import pytest
import torch
from networks_to_cut import network, perceptron, resnet, short, vgg

from mmrazor_lakd import SettingError
from mmrazor_lakd.partition.pairing import pair_blocks
from mmrazor_lakd.partition.partition import partition
from mmrazor_lakd.partition.solver import (
    LOSS_MAPS,
    Candidate,
    choose_cuts,
    module_peaks,
    union_bytes,
)
from mmrazor_lakd.tracing.autograd_graph import saved_bytes
from mmrazor_lakd.tracing.blocks import Block, find_blocks


def graph_bytes(tensor, model):
    """Count what a tensor's graph holds, from the nodes' own attributes."""

    def address(value):
        return value.storage().data_ptr()

    known = {
        address(value) for value in (*model.parameters(), *model.buffers())
    }
    saved, seen, stack = {}, [], [tensor.grad_fn]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.append(node)
        stack.extend(source for source, _ in node.next_functions)
        for name in dir(node):
            if name.startswith('_saved_'):
                values = getattr(node, name)
                values = values if isinstance(values, tuple) else (values,)
                for value in values:
                    if isinstance(value, torch.Tensor):
                        if address(value) not in known:
                            size = value.storage().nbytes()
                            saved[address(value)] = size
    return sum(saved.values())


@pytest.mark.filterwarnings('ignore:TypedStorage is deprecated')
@pytest.mark.parametrize('type', ['CIFARResNet', 'ShuffleNetV2'])
def test_the_bytes_of_a_module_are_those_that_a_cut_run_holds(type):
    model = resnet(20) if type == 'CIFARResNet' else network(type, 1024)
    model.eval()
    found = partition(model, model, 4)
    ends = []

    def cut(module, inputs, output):
        ends.append(output)
        return output.detach()

    modules = dict(model.named_modules())
    for entry in found.local_modules:
        if 'isolate' in entry:
            continue
        modules[entry['student']].register_forward_hook(cut)
    ends.append(model(torch.rand(1, 3, 32, 32), mode='tensor'))
    assert [module.saved for module in found.modules] == [
        graph_bytes(end, model) for end in ends
    ]
    assert all(module.saved for module in found.modules)


@pytest.mark.parametrize('num_modules', [2, 3, 4, 6])
@pytest.mark.parametrize('depth, width', [(56, 64), (8, 64), ('8x4', 256)])
@pytest.mark.parametrize('frozen', [False, True], ids=['', 'frozen'])
def test_no_other_cuts_need_less(frozen, depth, width, num_modules):
    """Try all cuts; the teachers' maps are few, many or large.

    With a frozen stage, which saves nothing, many cuts are equally good.
    """
    student = resnet(20)
    if frozen:
        for name in ('conv1', 'bn1', 'layer1'):
            getattr(student.backbone, name).requires_grad_(False)
    blocks = find_blocks(student, 'student')
    teachers = pair_blocks(
        blocks, find_blocks(resnet(depth, width), 'teacher')
    )
    places = [
        Candidate(block, teacher, block.name in stage_ends)
        for stage_ends in [{'backbone.layer1.2', 'backbone.layer2.2'}]
        for block, teacher in zip(blocks, teachers)
        if block.can_cut
    ]
    names = [place.student.name for place in places]
    parts = saved_bytes(student, names, 'student')

    def largest(cuts):
        """Without union_bytes and module_peaks."""
        peaks = []
        firsts = [0, *(cut + 1 for cut in cuts)]
        for first, last in zip(firsts, [*cuts, len(places)]):
            storages = {}
            for part in parts[first : last + 1]:
                storages.update(part)
            later = {places[cut].teacher for cut in cuts if cut >= last}
            # The last module learns the ends of its stages without a cut.
            later |= {
                place.teacher
                for place in places[firsts[-1] :]
                if place.ends_stage
                and place.teacher != places[cuts[-1]].teacher
            }
            peak = sum(storages.values())
            peak += sum(teacher.num_bytes for teacher in later)
            if last < len(places):
                peak += LOSS_MAPS * places[last].teacher.num_bytes
            peaks.append(peak)
        return max(peaks)

    saved = union_bytes(parts)
    best = min(
        (largest(cuts), -sum(places[cut].ends_stage for cut in cuts))
        for cuts in combinations(range(len(places)), num_modules - 1)
    )
    chosen = choose_cuts(saved, places, num_modules - 1)
    assert chosen == sorted(set(chosen)) and len(chosen) == num_modules - 1
    assert (
        largest(chosen),
        -sum(places[cut].ends_stage for cut in chosen),
    ) == best
    assert max(module_peaks(saved, places, chosen)) == best[0]


def test_the_partition_is_the_best_and_says_when_fewer_modules_do():
    student, teacher = resnet(20), resnet(56)
    peaks = {}
    for count in range(1, 10):
        found = partition(student, teacher, count)
        assert len(found.modules) == count
        uncut = [e for e in found.local_modules if 'isolate' in e]
        assert len(found.local_modules) - len(uncut) == count - 1
        peaks[count] = max(module.peak for module in found.modules)
        assert found.enough == min(
            k for k in peaks if peaks[k] <= peaks[count]
        )
        said = f'num_modules={found.enough} should' in found.describe()
        assert said == (found.enough < count)
    # and of two stages' ends, learned without a cut
    assert peaks[1] == found.saved_uncut + (16 * 32**2 + 32 * 16**2) * 4
    assert peaks[2] < peaks[1]


def pairs(student, teacher, input_size=None):
    blocks = [
        find_blocks(model, role, input_size)
        for model, role in ((student, 'student'), (teacher, 'teacher'))
    ]
    return dict(zip(short(blocks[0]), short(pair_blocks(*blocks))))


def test_blocks_are_paired_by_their_place_in_the_stage():
    assert pairs(resnet(8), resnet(14)) == {
        'layer1.0': 'layer1.1',
        'layer2.0': 'layer2.1',
        'layer3.0': 'layer3.1',
    }
    assert pairs(resnet(20), resnet(56)) == {
        f'layer{stage}.{index}': f'layer{stage}.{3 * index + 2}'
        for stage in (1, 2, 3)
        for index in range(3)
    }
    assert pairs(resnet(20), resnet(14)) == {
        # 1 * 2 / 3 and 2 * 2 / 3 are both nearest to 1
        f'layer{stage}.{index}': f'layer{stage}.{[0, 0, 1][index]}'
        for stage in (1, 2, 3)
        for index in range(3)
    }
    assert pairs(resnet(8), resnet('8x4', 256)) == {
        f'layer{stage}.0': f'layer{stage}.0' for stage in (1, 2, 3)
    }
    # 1 * 3 / 2 = 1.5 goes up
    assert pairs(resnet(14), resnet(20))['layer1.0'] == 'layer1.1'


def test_stages_that_differ_in_number_are_paired_by_size():
    found = pairs(
        network('MobileNetV2', 1280), network('ResNet', 2048, depth=50), 128
    )
    # The student's map of 64x64 goes with those of 32x32: the teacher has
    # none so large. Its stages 4 and 5, 6 and 7 have one size each.
    assert found == {
        'layer1.0': 'layer1.0',
        'layer2.0': 'layer1.1',
        'layer2.1': 'layer1.2',
        'layer3.0': 'layer2.0',
        'layer3.1': 'layer2.2',
        'layer3.2': 'layer2.3',
        'layer4.0': 'layer3.0',
        'layer4.1': 'layer3.1',
        'layer4.2': 'layer3.2',
        'layer4.3': 'layer3.2',
        'layer5.0': 'layer3.3',
        'layer5.1': 'layer3.4',
        'layer5.2': 'layer3.5',
        'layer6.0': 'layer4.0',
        'layer6.1': 'layer4.1',
        'layer6.2': 'layer4.1',
        'layer7.0': 'layer4.2',
    }
    found = pairs(vgg(11), vgg(13))
    assert found['features.0'] == 'features.1'
    assert found['features.11'] == 'features.13'
    # 8x8, 4x4, 2x2 for 32x32, 16x16, 8x8, 4x4, 2x2
    found = pairs(network('ShuffleNetV1', 960), vgg(13))
    assert found['layers.0.3'] == 'features.10'
    assert found['layers.2.3'] == 'features.13'


def test_pairs_keep_the_order_where_maps_grow_again():
    def blocks(*sizes):
        return [
            Block(str(size), torch.Size((1, size, size)), 4, 1 / size**2, True)
            for size in sizes
        ]

    paired = pair_blocks(blocks(32, 8, 32, 8), blocks(32, 8, 4))
    assert [block.name for block in paired] == ['32', '8', '8', '8']


def test_the_table_and_its_list():
    found = partition(resnet(20), resnet(8), 5)
    text = found.describe()
    lines = text.split('\n')
    assert max(map(len, lines)) <= 100
    assert 'modules 1, 2, 3 all learn backbone.layer1.0' in text
    assert lines[2].split()[:5] == [
        '1', 'layer1.0', '16x32x32', 'layer1.0', '16x32x32'
    ]  # fmt: skip
    pasted = text[text.index('local_modules=') :]
    assert eval(f'dict({pasted})') == dict(local_modules=found.local_modules)
    found = partition(resnet(8), resnet(8), 1)
    assert len(found.modules) == 1
    assert found.local_modules == [
        dict(student=name, teacher=name, isolate=False)
        for name in ('backbone.layer1.0', 'backbone.layer2.0')
    ]
    assert found.modules[0].saved == found.saved_uncut > 0
    assert partition(perceptron(), resnet(8), 1).local_modules == []


def test_stage_ends_in_the_last_module_are_taught_uncut():
    found = partition(resnet(20), resnet(56), 4)
    *cuts, end = found.local_modules
    assert len(cuts) == 3 and all('isolate' not in cut for cut in cuts)
    assert end == dict(
        student='backbone.layer2.2',
        teacher='backbone.layer2.8',
        isolate=False,
    )
    text = found.describe()
    assert 'without a cut, layer2.2 learns layer2.8' in text
    assert eval(f'dict({text[text.index("local_modules=") :]})') == dict(
        local_modules=found.local_modules
    )


@pytest.mark.parametrize('number', [0, -1, True, 2.0, '3', None])
def test_numbers_that_are_none_are_refused(number):
    with pytest.raises(SettingError, match='has num_modules=.*at least 1'):
        partition(resnet(8), resnet(8), number)


def test_models_that_cannot_be_cut_so_are_refused():
    with pytest.raises(
        SettingError,
        match=(
            r'num_modules=4, but the student can be cut behind 2 of its '
            r'blocks \(backbone.layer1.0, backbone.layer2.0\); write at most '
            r'num_modules=3\.'
        ),
    ):
        partition(resnet(8), resnet(8), 4)
    with pytest.raises(SettingError, match='but the teacher has none'):
        partition(resnet(8), perceptron(), 2)
    with pytest.raises(SettingError, match='but the student has none'):
        partition(perceptron(), resnet(8), 2)
    with pytest.raises(SettingError, match='takes no image of 1x1'):
        partition(vgg(11), resnet(8), 2, input_size=1)
