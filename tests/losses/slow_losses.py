"""The published losses by loops over float64 scalars, from their formulas."""

import math

import torch


def softmax(row, tau):
    """exp(z_k / T) / sum_j exp(z_j / T), of a list of scalars."""
    powers = [torch.exp(value / tau) for value in row]
    return [power / sum(powers) for power in powers]


def divergence(p, q):
    """sum_k p_k ln(p_k / q_k)"""
    return sum(a * torch.log(a / b) for a, b in zip(p, q))


def kd(s, t, tau):
    """Hinton et al., section 2."""
    total = 0.0
    for s_row, t_row in zip(s, t):
        total = total + divergence(softmax(t_row, tau), softmax(s_row, tau))
    return tau**2 * total / len(s)


def dkd(s, t, labels, tau, alpha, beta):
    """Zhao et al., equation 7: alpha TCKD + beta NCKD."""
    total = 0.0
    for s_row, t_row, label in zip(s, t, labels.tolist()):
        p_s, p_t = softmax(s_row, tau), softmax(t_row, tau)
        b_s = [p_s[label], 1 - p_s[label]]
        b_t = [p_t[label], 1 - p_t[label]]
        others = [k for k in range(len(p_s)) if k != label]
        h_s = [p_s[k] / b_s[1] for k in others]
        h_t = [p_t[k] / b_t[1] for k in others]
        total = total + alpha * divergence(b_t, b_s)
        total = total + beta * divergence(h_t, h_s)
    return tau**2 * total / len(s)


def rld(s, t, labels, tau, alpha, beta):
    """Sun et al., the student's target against the teacher's favourite."""
    total = 0.0
    for s_row, t_row, label in zip(s, t, labels.tolist()):
        p_s, p_t = softmax(s_row, tau), softmax(t_row, tau)
        b_s = [p_s[label], 1 - p_s[label]]
        b_t = [max(p_t), 1 - max(p_t)]
        total = total + alpha * divergence(b_t, b_s)
        below = [k for k in range(len(p_s)) if t_row[k] < t_row[label]]
        h_s, h_t = ([p[k] for k in below] for p in (p_s, p_t))
        total = total + beta * divergence(
            [p / sum(h_t) for p in h_t], [p / sum(h_s) for p in h_s]
        )
    return tau**2 * total / len(s)


def regions(feature, weight, bias, scales):
    """The logits of each cell of each grid, its mean times the weight."""
    number, _, height, width = feature.shape
    logits = []
    for side in scales:
        for i in range(side):
            for j in range(side):
                cell = feature[
                    ...,
                    i * height // side : (i + 1) * height // side,
                    j * width // side : (j + 1) * width // side,
                ]
                logits.append(cell.mean((2, 3)) @ weight.t() + bias)
    return [[cell[n] for cell in logits] for n in range(number)]


def scale_decoupled(s, t, labels, scales, loss):
    """Wei et al.: regions that contradict the whole image count twice.

    s and t are of a map, a weight and a bias; loss is that of one region.
    """
    total, count = 0.0, 0
    images = zip(regions(*s, scales), regions(*t, scales), labels.tolist())
    for s_cells, t_cells, label in images:
        right = t_cells[0].argmax() == label
        for s_row, t_row in zip(s_cells, t_cells):
            weight = 1 if (t_row.argmax() == label) == right else 2
            value = loss(s_row[None], t_row[None], torch.tensor([label]))
            total = total + weight * value
            count += 1
    return total / count


def transport(p, q, costs, regularization, iterations, eps=1e-8):
    """Sinkhorn's iterations and the cost of their flow, of two lists.

    With the eps beside costs and denominators that is in the authors' code.
    """
    costs = [[cost + eps for cost in row] for row in costs]
    kernel = [[torch.exp(-c / regularization) for c in row] for row in costs]
    size = range(len(p))
    u = [1 / len(p)] * len(p)
    for _ in range(iterations):
        sums = [sum(kernel[i][j] * u[i] for i in size) for j in size]
        v = [q[j] / (sums[j] + eps) for j in size]
        sums = [sum(kernel[i][j] * v[j] for j in size) for i in size]
        u = [p[i] / (sums[i] + eps) for i in size]
    return sum(
        u[i] * kernel[i][j] * v[j] * costs[i][j] for i in size for j in size
    )


def wkd_logits(s, t, labels, costs, tau, weight, iterations=10):
    """Lv et al., as in their code: the target, and the others' transport."""
    total = 0.0
    for s_row, t_row, label in zip(s, t, labels.tolist()):
        p_s, p_t = softmax(s_row, 1), softmax(t_row, 1)
        total = total - p_t[label] * torch.log(p_s[label])
        others = [k for k in range(len(s_row)) if k != label]
        total = total + weight * transport(
            softmax(s_row[others], tau),
            softmax(t_row[others], tau),
            [[costs[i, j] for j in others] for i in others],
            0.05,
            iterations,
        )
    return total / len(s)


def wkd_features(s, t, weight, grid):
    """Lv et al.: means and deviations of each channel of each cell."""
    total, sides = 0.0, [side // grid for side in s.shape[2:]]
    for s_map, t_map in zip(s.flatten(0, 1), t.flatten(0, 1)):
        for i in range(grid):
            for j in range(grid):
                means, deviations = [], []
                for feature in (s_map, t_map):
                    cell = feature[
                        i * sides[0] : (i + 1) * sides[0],
                        j * sides[1] : (j + 1) * sides[1],
                    ].flatten()
                    mean = sum(cell) / len(cell)
                    square = sum((x - mean) ** 2 for x in cell)
                    variance = square / (len(cell) - 1)
                    means.append(mean)
                    deviations.append(torch.sqrt(variance + 1e-5))
                total = total + weight * (means[0] - means[1]) ** 2
                total = total + (deviations[0] - deviations[1]) ** 2
    return total / (len(s) * grid**2)


def standardize(logits, freedom=0):
    """Sun et al., algorithm 1: each row less its mean, over its deviation.

    1e-5 in the variance is layer_norm's, so that equal logits have a gradient.
    Their code divides the squares by K - freedom, freedom 1.
    """
    rows = []
    for row in logits:
        mean = sum(row) / len(row)
        variance = sum((x - mean) ** 2 for x in row) / len(row) + 1e-5
        std = (variance * len(row) / (len(row) - freedom)) ** 0.5
        rows.append((row - mean) / std)
    return torch.stack(rows)


def wttm(s, t, gamma, weighted=True):
    """Zheng and Yang, equation 23; without the weights, equation 2."""
    total = 0.0
    for s_row, t_row in zip(s, t):
        powers = [p**gamma for p in softmax(t_row, 1)]
        sum_of_powers = sum(powers)
        target = [power / sum_of_powers for power in powers]
        weight = sum_of_powers if weighted else 1
        total = total + weight * divergence(target, softmax(s_row, 1))
    return total / len(s)


def levels(s, t, tau):
    """Jin et al.: KL of images, and distances of P P^T and of P^T P."""
    p_s = torch.stack([torch.stack(softmax(row, tau)) for row in s])
    p_t = torch.stack([torch.stack(softmax(row, tau)) for row in t])
    found = [kd(s, t, tau)]
    for a, b in ((p_s, p_t), (p_s.t(), p_t.t())):
        total = 0.0
        for i in range(len(a)):
            for j in range(len(a)):
                products = (a[i] * a[j]).sum(), (b[i] * b[j]).sum()
                total = total + (products[1] - products[0]) ** 2
        found.append(total / len(a))
    return found


def share_below_median(values):
    """Which part of some numbers is not above their median."""
    ordered = sorted(values)
    low, high = (len(ordered) - 1) // 2, len(ordered) // 2
    median = (ordered[low] + ordered[high]) / 2
    return sum(value <= median for value in values) / len(values)


def mlkd(s, t, taus, mode, class_weight=1.0):
    """Of two views, the weak one first: all levels, or what the code sums."""
    count = len(s) // 2
    chances = [[p.item() for p in softmax(row, 1)] for row in t[:count]]
    images = share_below_median([max(row) for row in chances])
    classes = share_below_median([sum(column) for column in zip(*chances)])
    total = 0.0
    for tau in taus:
        weak, strong = (
            [*both[:2], class_weight * both[2]]
            for both in (
                levels(s[:count], t[:count], tau),
                levels(s[count:], t[count:], tau),
            )
        )
        if mode == 'paper':
            total = total + sum(weak) + sum(strong)
        else:
            total = total + images * (weak[0] + weak[1]) + classes * weak[2]
            total = total + (weak[0] if tau in (2, 6) else strong[0])
    return total


def pearson(a, b):
    """Covariance over the product of the standard deviations."""
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    cov = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b))
    var_a = sum((x - mean_a) ** 2 for x in a)
    var_b = sum((y - mean_b) ** 2 for y in b)
    return cov / torch.sqrt(var_a * var_b)


def dist(s, t, beta, gamma, tau):
    """Huang et al., equations 8 to 11."""
    p_s = [softmax(row, tau) for row in s]
    p_t = [softmax(row, tau) for row in t]
    inter = sum(1 - pearson(a, b) for a, b in zip(p_s, p_t)) / len(p_s)
    columns = list(zip(zip(*p_s), zip(*p_t)))
    intra = sum(1 - pearson(a, b) for a, b in columns) / len(columns)
    return tau**2 * (beta * inter + gamma * intra)


def attention(feature, p):
    """F / ||F||_2 with F the mean over the channels of |A|^p."""
    channels, height, width = feature.shape
    values = [
        sum(abs(feature[c, y, x]) ** p for c in range(channels)) / channels
        for y in range(height)
        for x in range(width)
    ]
    norm = torch.sqrt(sum(value**2 for value in values))
    return [value / norm for value in values]


def at(s, t, p):
    """Zagoruyko and Komodakis, as in their code."""
    squares = [
        (a - b) ** 2
        for s_map, t_map in zip(s, t)
        for a, b in zip(attention(s_map, p), attention(t_map, p))
    ]
    return sum(squares) / len(squares)


def huber(a, b):
    """Half the square below 1, the absolute value less 1/2 above."""
    difference = abs(a - b)
    return difference**2 / 2 if difference < 1 else difference - 0.5


def distances(points):
    """||x_i - x_j|| over its mean over the pairs of distinct points."""
    number = len(points)
    table = [[torch.zeros(()).double()] * number for _ in range(number)]
    for i in range(number):
        for j in range(number):
            if i != j:
                square = sum(
                    (a - b) ** 2 for a, b in zip(points[i], points[j])
                )
                table[i][j] = torch.sqrt(square)
    mean = sum(sum(row) for row in table) / (number * (number - 1))
    return [[value / mean for value in row] for row in table]


def rkd_distance(s, t):
    """Park et al., equations 4 to 6, a mean over N * N."""
    d_s, d_t = distances(s), distances(t)
    number = len(s)
    total = sum(
        huber(d_s[i][j], d_t[i][j])
        for i in range(number)
        for j in range(number)
    )
    return total / number**2


def cosine(points, i, j, k):
    """Cosine of the angle at the point i."""
    a = [x - y for x, y in zip(points[j], points[i])]
    b = [x - y for x, y in zip(points[k], points[i])]
    dot = sum(x * y for x, y in zip(a, b))
    return dot / torch.sqrt(sum(x**2 for x in a) * sum(y**2 for y in b))


def rkd_angle(s, t):
    """Park et al., equations 7 and 8, a mean over N * N * N."""
    number = len(s)
    total = 0.0
    for i in range(number):
        for j in range(number):
            for k in range(number):
                if len({i, j, k}) == 3:
                    total = total + huber(
                        cosine(s, i, j, k), cosine(t, i, j, k)
                    )
    return total / number**3


def products(points):
    """<x_i, x_j> of all pairs."""
    return [[sum(a * b for a, b in zip(x, y)) for y in points] for x in points]


def sp(s, t):
    """Tung and Mori: rows of F F^T, normalised, and their squared distance."""
    total, number = 0.0, len(s)
    for s_row, t_row in zip(products(s.flatten(1)), products(t.flatten(1))):
        s_norm, t_norm = (
            torch.sqrt(sum(a**2 for a in row)) for row in (s_row, t_row)
        )
        total = total + sum(
            (a / s_norm - b / t_norm) ** 2 for a, b in zip(s_row, t_row)
        )
    return total / number**2


def neighbours(points, eps):
    """(cos(x_i, x_j) + 1) / 2 over the sum of its row."""
    units = [x / (torch.sqrt(sum(a**2 for a in x)) + eps) for x in points]
    kernel = [[(value + 1) / 2 for value in row] for row in products(units)]
    return [[value / sum(row) for value in row] for row in kernel]


def pkt(s, t, eps=1e-7):
    """Passalis and Tefas, as in their code, a mean over N * N."""
    total = 0.0
    for s_row, t_row in zip(neighbours(s, eps), neighbours(t, eps)):
        for q, p in zip(s_row, t_row):
            total = total + p * torch.log((p + eps) / (q + eps))
    return total / len(s) ** 2


def srrl(s, t, weight, bias, alpha, beta):
    """Yang et al., equations 2 and 5: L_FM and L_SR, as means."""
    matching, regression = 0.0, 0.0
    for s_map, t_map in zip(s, t):
        s_row, t_row = (
            [sum(c.flatten()) / c.numel() for c in feature]
            for feature in (s_map, t_map)
        )
        matching = matching + sum((a - b) ** 2 for a, b in zip(s_row, t_row))
        for w, b in zip(weight, bias):
            s_logit, t_logit = (
                sum(x * y for x, y in zip(w, row)) + b
                for row in (s_row, t_row)
            )
            regression = regression + (s_logit - t_logit) ** 2
    matching = matching / (len(s) * len(s[0]))
    return alpha * matching + beta * regression / (len(s) * len(weight))


def cc(s, t):
    """RepDistiller's: |s - t| of an image, times that of the next one."""
    total = 0.0
    for n in range(len(s) - 1):
        for d in range(s.shape[1]):
            first, second = (abs(s[k, d] - t[k, d]) for k in (n, n + 1))
            total = total + first * second
    return total / (len(s) - 1)


def cc_correlations(points, gamma, order):
    """Peng et al.: exp(-gamma ||x - y||^2) of unit vectors, its series."""
    units = [x / torch.sqrt(sum(a**2 for a in x)) for x in points]
    return [
        [
            math.exp(-2 * gamma)
            * sum(
                (2 * gamma * cosine) ** p / math.factorial(p)
                for p in range(order + 1)
            )
            for cosine in row
        ]
        for row in products(units)
    ]


def cc_of_paper(s, t, gamma, order):
    """Peng et al., the squared distance of the correlations over N * N."""
    tables = (cc_correlations(points, gamma, order) for points in (s, t))
    rows = zip(*tables)
    return (
        sum(
            (a - b) ** 2 for s_row, t_row in rows for a, b in zip(s_row, t_row)
        )
        / len(s) ** 2
    )


def nst(s, t):
    """Huang and Wang: k(x, y) = (x y)^2 of all pairs of normalised maps."""
    total = 0.0
    for maps in zip(s.flatten(2), t.flatten(2)):
        student, teacher = (
            [x / torch.sqrt(sum(a**2 for a in x)) for x in rows]
            for rows in maps
        )
        for sign, rows, columns in (
            (1, student, student),
            (1, teacher, teacher),
            (-2, student, teacher),
        ):
            kernel = sum(
                sum(a * b for a, b in zip(x, y)) ** 2
                for x in rows
                for y in columns
            )
            total = total + sign * kernel / (len(rows) * len(columns))
    return total / len(s)


def vid(mean, variance, t):
    """Ahn et al., less the constant, a mean over the elements."""
    total, count = 0.0, 0
    for mean_map, t_map in zip(mean, t):
        for c, (a, b) in enumerate(zip(mean_map, t_map)):
            for square in (a - b).flatten() ** 2:
                deviation = torch.sqrt(variance[c])
                total = total + torch.log(deviation)
                total = total + square / (2 * deviation**2)
                count += 1
    return total / count


def cat(s, t, weight, cells, normalize):
    """Guo et al., equation 5; cells divide the maps' sides."""

    def cams(feature):
        _, height, width = feature.shape
        rows, columns = height // cells, width // cells
        maps = []
        for row in weight:
            cam = sum(w * channel for w, channel in zip(row, feature))
            cam = [
                sum(
                    cam[y * rows + j, x * columns + i]
                    for j in range(rows)
                    for i in range(columns)
                )
                / (rows * columns)
                for y in range(cells)
                for x in range(cells)
            ]
            norm = torch.sqrt(sum(value**2 for value in cam))
            maps += [value / norm if normalize else value for value in cam]
        return maps

    squares = [
        (a - b) ** 2
        for s_map, t_map in zip(s, t)
        for a, b in zip(cams(s_map), cams(t_map))
    ]
    return sum(squares) / len(squares)


def simkd(s, t):
    """Chen et al., equation 3; the cells of t's map are those of s's."""
    rows, columns = (a // b for a, b in zip(t.shape[2:], s.shape[2:]))
    total = 0.0
    for n, c, y, x in torch.cartesian_prod(*map(torch.arange, s.shape)):
        cell = t[n, c, y * rows : (y + 1) * rows]
        cell = cell[:, x * columns : (x + 1) * columns].flatten()
        total = total + (s[n, c, y, x] - sum(cell) / len(cell)) ** 2
    return total / s.numel()


def norm(s, t):
    """Liu et al., summed over the copies; of each cell of t, the largest."""
    rows, columns = (a // b for a, b in zip(t.shape[2:], s.shape[2:]))
    total = 0.0
    for n, c, y, x in torch.cartesian_prod(*map(torch.arange, s.shape)):
        cell = t[n, c % t.shape[1], y * rows : (y + 1) * rows]
        cell = cell[:, x * columns : (x + 1) * columns].flatten()
        total = total + (s[n, c, y, x] - max(cell)) ** 2
    return total / (s.numel() / (s.shape[1] / t.shape[1]))


def square_error(s, t):
    """Mean squared difference of all elements."""
    pairs = list(zip(s.flatten(), t.flatten()))
    return sum((a - b) ** 2 for a, b in pairs) / len(pairs)


def pooled(feature, level):
    """Means of the cells of a level x level grid."""
    number, channels, height, width = feature.shape

    def bounds(size):
        # of a side that the grid doesn't divide, cells overlap
        return [
            (i * size // level, -(-(i + 1) * size // level))
            for i in range(level)
        ]

    cells = [
        feature[n, c, top:bottom, left:right].mean()
        for n in range(number)
        for c in range(channels)
        for top, bottom in bounds(height)
        for left, right in bounds(width)
    ]
    return torch.stack(cells)


def review(s_maps, t_maps):
    """Chen et al.: levels 4, 2, 1, each with half of the weight before."""
    total = 0.0
    for s, t in zip(s_maps, t_maps):
        levels = [level for level in (4, 2, 1) if level < s.shape[2]]
        weights = [0.5**k for k in range(len(levels) + 1)]
        losses = [square_error(s, t)]
        losses += [
            square_error(pooled(s, level), pooled(t, level))
            for level in levels
        ]
        total = total + sum(a * b for a, b in zip(weights, losses)) / sum(
            weights
        )
    return total


def ofd(s, t, margins):
    """Heo et al., the partial L2 distance, its cases one by one."""
    total = 0.0
    number, channels, height, width = s.shape
    for n in range(number):
        for c in range(channels):
            for y in range(height):
                for x in range(width):
                    a, b, m = s[n, c, y, x], t[n, c, y, x], margins[c]
                    if b > 0:
                        total = total + (a - b) ** 2
                    elif b > m:
                        total = total + (a - b) ** 2 * (a > b)
                    else:
                        total = total + (a - m) ** 2 * (a > m)
    return total / number
