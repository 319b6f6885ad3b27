"""Products made from word lists, always the same ones. Brands are invented."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from django.utils.text import slugify

from contexts.catalog.domain.imports import DraftProduct, DraftVariant

BRANDS = (
    "Aurora",
    "Serra Azul",
    "Ipê",
    "Maré Alta",
    "Jatobá",
    "Cambará",
    "Lumiar",
    "Vento Sul",
    "Pindorama",
    "Araucária",
)
PER_RANGE = 2
"""Brands that make each kind of product."""

COLOURS = ("Preto", "Branco", "Azul", "Verde", "Vermelho", "Cinza", "Areia")
SIZES = ("P", "M", "G", "GG")


@dataclass(frozen=True)
class Kind:
    """A kind of product: ``price`` in whole reais, ``weight`` in grams; ``facts`` end its description."""

    name: str
    price: int
    weight: int
    facts: str
    attributes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Range:
    """The products of one leaf category, which vary by the same options."""

    category: tuple[str, ...]
    icon: str
    kinds: tuple[Kind, ...]
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


ATTRIBUTES = (
    ("material", "Material", "text", "", ()),
    ("garantia-meses", "Garantia", "number", "meses", ()),
    ("voltagem", "Voltagem", "choice", "", ("110 V", "220 V", "Bivolt")),
    ("feito-a-mao", "Feito à mão", "boolean", "", ()),
    ("torra", "Torra", "choice", "", ("Clara", "Média", "Escura")),
    ("paginas", "Páginas", "number", "", ()),
)
"""Code, name, type, unit and choices."""

COTTON = {"material": "Algodão orgânico"}
LEATHER = {"material": "Couro legítimo", "feito-a-mao": True}
STEEL = {"material": "Aço inoxidável"}
POWERED = {"voltagem": "Bivolt", "garantia-meses": 12}
GUARANTEED = {"garantia-meses": 24}

RANGES = (
    Range(("Eletrônicos", "Celulares"), "phone", (
        Kind("Celular Dobra 5G", 3899, 190, "Tela que dobra ao meio, bateria para o dia inteiro.", GUARANTEED),
        Kind("Celular Compacto", 1799, 150, "Cabe em uma mão e em qualquer bolso.", GUARANTEED),
        Kind("Celular Câmera Pro", 4599, 205, "Três lentes e modo noturno de verdade.", GUARANTEED),
        Kind("Celular Essencial", 899, 180, "Tudo o que importa, nada do que atrapalha.", GUARANTEED),
        Kind("Carregador rápido 45 W", 149, 90, "Metade da bateria em meia hora.", POWERED),
        Kind("Capa de proteção reforçada", 79, 45, "Aguenta quedas de até dois metros."),
    ), {"Cor": ("Preto", "Azul", "Verde")}),
    Range(("Eletrônicos", "Fones de ouvido"), "headphones", (
        Kind("Fone sem fio com cancelamento de ruído", 699, 250, "Silêncio no ônibus, 30 horas de carga.", GUARANTEED),
        Kind("Fone intra-auricular esportivo", 249, 55, "Não cai correndo e não teme o suor.", GUARANTEED),
        Kind("Fone para estúdio", 899, 310, "Som neutro, cabo destacável.", GUARANTEED),
        Kind("Fone infantil com volume limitado", 159, 180, "Protege a audição até 85 dB.", GUARANTEED),
        Kind("Caixa de som portátil", 399, 600, "À prova d'água, som para a roda toda.", GUARANTEED),
        Kind("Microfone de mesa USB", 459, 480, "Para reuniões, aulas e podcasts.", GUARANTEED),
    ), {"Cor": ("Preto", "Branco")}),
    Range(("Eletrônicos", "Informática"), "laptop", (
        Kind("Notebook fino 14 polegadas", 4299, 1250, "Leve na mochila, rápido no trabalho.", GUARANTEED),
        Kind("Notebook para jogos", 7499, 2300, "Tela de 165 Hz e placa de vídeo dedicada.", GUARANTEED),
        Kind("Teclado mecânico compacto", 389, 720, "Teclas silenciosas em português.", GUARANTEED),
        Kind("Mouse vertical sem fio", 189, 120, "O punho agradece.", GUARANTEED),
        Kind("Monitor 27 polegadas", 1699, 5400, "Cores fiéis e altura ajustável.", POWERED),
        Kind("Suporte de alumínio para notebook", 139, 900, "A tela na altura dos olhos.", {"material": "Alumínio"}),
    )),
    Range(("Casa", "Cozinha"), "pot", (
        Kind("Panela de ferro esmaltada", 459, 4200, "Do fogão direto para a mesa.", {"material": "Ferro esmaltado"}),
        Kind("Faca do chef", 219, 210, "Fio que dura, cabo que não escorrega.", STEEL),
        Kind("Cafeteira italiana", 129, 650, "Café encorpado em cinco minutos.", {"material": "Alumínio"}),
        Kind("Liquidificador 1200 W", 329, 2900, "Copo de vidro e lâminas removíveis.", POWERED),
        Kind("Tábua de corte de teca", 159, 1800, "Madeira de manejo, pés antiderrapantes.", {"material": "Teca"}),
        Kind("Jogo de potes herméticos", 119, 1500, "Seis potes que encaixam uns nos outros.", {"material": "Vidro"}),
        Kind("Garrafa térmica 1 litro", 189, 560, "Doze horas quente, um dia gelada.", STEEL),
    ), {"Cor": ("Vermelho", "Preto", "Areia")}),
    Range(("Casa", "Cama e banho"), "towel", (
        Kind("Jogo de lençóis 300 fios", 329, 1900, "Fica mais macio a cada lavagem.", COTTON),
        Kind("Toalha de banho felpuda", 79, 520, "Seca de verdade, seca depressa.", COTTON),
        Kind("Edredom leve", 389, 2100, "Para noites de ar-condicionado.", COTTON),
        Kind("Travesseiro de espuma", 159, 1100, "Acompanha o pescoço a noite toda."),
        Kind("Roupão de piquê", 249, 900, "Dois bolsos fundos e capuz.", COTTON),
        Kind("Tapete de banheiro", 69, 600, "Antiderrapante e lavável na máquina.", COTTON),
    ), {"Cor": ("Branco", "Areia", "Azul")}),
    Range(("Casa", "Iluminação"), "lamp", (
        Kind("Luminária de mesa articulada", 269, 1600, "Luz quente ou fria, com um toque.", POWERED),
        Kind("Pendente de palha", 349, 1300, "Trançado por artesãs.", {"material": "Palha", "feito-a-mao": True}),
        Kind("Abajur de cerâmica", 289, 2200, "Cúpula de linho cru.", {"material": "Cerâmica", "voltagem": "Bivolt"}),
        Kind("Lâmpada inteligente", 89, 90, "Dezesseis milhões de cores, nenhuma central.", POWERED),
        Kind("Arandela externa", 199, 950, "Resiste à chuva e à maresia.", POWERED),
        Kind("Cordão de luzes", 99, 700, "Dez metros de festa.", POWERED),
    )),
    Range(("Moda", "Camisetas"), "shirt", (
        Kind("Camiseta básica de algodão", 69, 180, "Gola reforçada que não deforma.", COTTON),
        Kind("Camiseta estampa tropical", 89, 180, "Estampa de folhagens feita com tinta à base d'água.", COTTON),
        Kind("Camiseta de manga longa", 99, 230, "Punhos de ribana, caimento reto.", COTTON),
        Kind("Camiseta esportiva", 109, 140, "Seca rápido e não guarda cheiro.", {"material": "Poliamida"}),
        Kind("Camiseta listrada", 85, 190, "Fio tinto: a listra não desbota.", COTTON),
        Kind("Regata de linho", 119, 130, "Leve como janeiro pede.", {"material": "Linho"}),
    ), {"Cor": ("Branco", "Preto", "Azul"), "Tamanho": SIZES}),
    Range(("Moda", "Calçados"), "shoe", (
        Kind("Tênis casual de couro", 349, 780, "Solado costurado, palmilha macia.", LEATHER),
        Kind("Sandália de tiras", 189, 420, "Para a praia, o bar e o que vier.", LEATHER),
        Kind("Bota de trilha", 499, 1100, "Impermeável e firme no barro.", LEATHER),
        Kind("Sapatilha dobrável", 149, 260, "Cabe na bolsa.", {"material": "Tecido"}),
        Kind("Chinelo de borracha natural", 49, 300, "Seringais do Acre, solado espesso.", {"material": "Borracha"}),
        Kind("Mocassim de camurça", 299, 620, "Costurado à mão, sem cadarço.", LEATHER),
    ), {"Tamanho": ("36", "38", "40", "42")}),
    Range(("Moda", "Bolsas e mochilas"), "bag", (
        Kind("Mochila urbana 22 litros", 279, 850, "Bolso acolchoado para notebook.", {"material": "Lona encerada"}),
        Kind("Bolsa transversal", 229, 480, "Alça larga, fecho magnético.", LEATHER),
        Kind("Carteira fina", 99, 70, "Oito cartões e nenhuma protuberância.", LEATHER),
        Kind("Mala de bordo", 459, 2600, "Quatro rodas silenciosas.", {"material": "Policarbonato"}),
        Kind("Bolsa de palha", 169, 520, "Da feira ao fim de tarde.", {"material": "Palha", "feito-a-mao": True}),
        Kind("Necessaire impermeável", 79, 150, "Pendura no box.", {"material": "Náilon"}),
    ), {"Cor": ("Preto", "Areia")}),
    Range(("Esporte", "Corrida"), "stopwatch", (
        Kind("Tênis de corrida leve", 549, 520, "Resposta rápida para treinos longos."),
        Kind("Relógio com GPS", 1299, 60, "Ritmo, altitude e frequência no pulso.", GUARANTEED),
        Kind("Cinto de hidratação", 129, 160, "Duas garrafas que não balançam."),
        Kind("Short com bolso traseiro", 119, 130, "Chave e gel bem guardados.", {"material": "Poliamida"}),
        Kind("Boné respirável", 79, 70, "Aba curta, secagem rápida."),
        Kind("Meia de compressão", 59, 60, "Da canela ao joelho, sem apertar o pé."),
    ), {"Cor": ("Preto", "Vermelho")}),
    Range(("Esporte", "Ciclismo"), "wheel", (
        Kind("Capacete ventilado", 289, 290, "Ajuste por disco, viseira removível.", GUARANTEED),
        Kind("Farol recarregável 800 lúmens", 239, 140, "Vê e é visto.", GUARANTEED),
        Kind("Cadeado de aço", 149, 1200, "Chave dupla e suporte para o quadro.", STEEL),
        Kind("Bomba de ar portátil", 119, 180, "Manômetro e dois bicos."),
        Kind("Luva de dedo curto", 69, 80, "Gel na palma, toalha no polegar."),
        Kind("Alforje impermeável 20 litros", 259, 760, "Encaixa e solta sem ferramenta.", {"material": "Lona"}),
    )),
    Range(("Beleza", "Cuidados com a pele"), "drop", (
        Kind("Protetor solar FPS 60", 89, 120, "Toque seco, sem perfume."),
        Kind("Hidratante de cupuaçu", 59, 220, "Manteiga da Amazônia, absorção rápida."),
        Kind("Sérum de vitamina C", 129, 60, "Uniformiza em quatro semanas."),
        Kind("Sabonete de argila verde", 29, 110, "Limpa sem repuxar.", {"feito-a-mao": True}),
        Kind("Óleo de andiroba", 49, 90, "Prensado a frio, do Baixo Tocantins."),
        Kind("Máscara facial de açaí", 45, 80, "Dez minutos por semana."),
    )),
    Range(("Livros",), "book", (
        Kind("Cozinha brasileira de raiz", 119, 900, "Cento e vinte receitas, de Belém a Pelotas.", {"paginas": 320}),
        Kind("Contos do sertão", 49, 300, "Doze histórias sob o sol.", {"paginas": 184}),
        Kind("Guia de aves do quintal", 79, 420, "Reconheça quem canta na janela.", {"paginas": 256}),
        Kind("Matemática sem medo", 64, 380, "Do troco do pão à probabilidade.", {"paginas": 240}),
        Kind("O menino e o rio", 39, 250, "Para ler em voz alta.", {"paginas": 48}),
        Kind("História do café no Brasil", 89, 560, "Da lavoura à xícara.", {"paginas": 288}),
        Kind("Plantas para apartamento", 69, 480, "Sessenta espécies que perdoam esquecimentos.", {"paginas": 208}),
    )),
    Range(("Brinquedos",), "blocks", (
        Kind("Blocos de montar de madeira", 149, 1400, "Cem peças de pinus, tinta atóxica.", {"material": "Madeira"}),
        Kind("Quebra-cabeça Mata Atlântica", 79, 500, "Mil peças, quinze bichos escondidos."),
        Kind("Jogo de tabuleiro Expedição", 189, 1100, "Dois a cinco jogadores, quarenta minutos."),
        Kind("Boneca de pano", 99, 280, "Costurada por cooperativa mineira.", {"feito-a-mao": True}),
        Kind("Pipa de náilon", 45, 150, "Voa com pouco vento."),
        Kind("Carrinho de rolimã", 259, 3200, "Como antigamente, com freio.", {"material": "Madeira"}),
    )),
    Range(("Mercado", "Cafés"), "cup", (
        Kind("Café do Cerrado", 42, 250, "Chocolate e castanha, acidez baixa.", {"torra": "Média"}),
        Kind("Café da Mantiqueira", 54, 250, "Floral, com final de caramelo.", {"torra": "Clara"}),
        Kind("Café Sul de Minas", 38, 250, "O café de todo dia.", {"torra": "Média"}),
        Kind("Café da Chapada Diamantina", 59, 250, "Frutas amarelas, corpo licoroso.", {"torra": "Clara"}),
        Kind("Café espresso intenso", 46, 250, "Crema espessa, notas de cacau.", {"torra": "Escura"}),
        Kind("Café descafeinado", 49, 250, "Pela noite adentro, sem culpa.", {"torra": "Média"}),
    ), {"Moagem": ("Grãos", "Coador", "Espresso")}),
)  # fmt: skip


def number_of(*words: str) -> int:
    """Return the same large number for the same words, on every machine."""
    return int.from_bytes(hashlib.sha256("/".join(words).encode()).digest()[:6], "big")


def demo_products() -> Iterator[tuple[DraftProduct, str]]:
    """Yield about 200 products and the icon of each."""
    for line in RANGES:
        for place, kind in enumerate(line.kinds):
            for turn in range(PER_RANGE):
                brand = BRANDS[(number_of(*line.category) + place * PER_RANGE + turn * 3) % len(BRANDS)]
                yield _product(line, kind, brand), line.icon


def _product(line: Range, kind: Kind, brand: str) -> DraftProduct:
    name = f"{kind.name} {brand}"
    handle = slugify(name)
    picture = f"catalog/{handle}.svg"
    combinations = list(itertools.product(*line.options.values()))
    return DraftProduct(
        handle=handle,
        lines=list(range(len(combinations))),
        name=name,
        description=f"{kind.facts}\n\n{kind.name} da {brand}. Troca em até 30 dias, nota fiscal em todas as compras.",
        brand=brand,
        category=line.category,
        attributes=dict(kind.attributes),
        seo_description=kind.facts,
        variants=[_variant(line, kind, handle, number, chosen) for number, chosen in enumerate(combinations)],
        images={picture: name},
    )


def _variant(line: Range, kind: Kind, handle: str, number: int, chosen: tuple[str, ...]) -> DraftVariant:
    draw = number_of(handle, *chosen)
    price = Decimal(round(kind.price * (90 + number_of(handle) % 25) / 100)) - Decimal("0.10")
    on_offer = number_of(handle, "oferta") % 10 < 3
    stock = 0 if draw % 11 == 0 else 3 if draw % 7 == 0 else 10 + draw % 90
    words = "-".join(slugify(word)[:4] for word in chosen).upper()
    return DraftVariant(
        line=number,
        sku=f"{number_of(handle) % 1_000_000:06d}-{words or 'U'}",
        options=dict(zip(line.options, chosen, strict=True)),
        price=price,
        compare_at_price=round(price * Decimal("1.25"), 1) if on_offer else None,
        weight_grams=kind.weight,
        length_mm=200 + draw % 150,
        width_mm=120 + draw % 100,
        height_mm=40 + draw % 80,
        barcode=f"789{draw % 10**10:010d}",
        stock=stock,
    )
