// The emoji of the picker: the sign, its names in English and in Spanish.

export const groups = [
  { key: "faces", emoji: `😀|grinning|sonrisa
😃|smile open|sonriente
😄|smile eyes|sonrisa ojos
😁|beaming|radiante
😅|sweat smile|risa sudor
😂|tears of joy|risa lágrimas
🤣|rolling laughing|carcajada
🙂|slight smile|sonrisa leve
🙃|upside down|al revés
😉|wink|guiño
😊|blush|sonrojado
😇|angel halo|ángel
🥰|in love hearts|enamorado corazones
😍|heart eyes|ojos de corazón
🤩|star struck|ojos de estrella
😘|kiss heart|beso
😋|yummy|delicioso
😜|tongue wink|lengua guiño
🤪|zany crazy|loco
🤗|hug|abrazo
🤭|hand over mouth|mano en la boca
🤫|shush quiet|silencio
🤔|thinking|pensando
🤨|raised eyebrow|ceja
😐|neutral|neutral
😏|smirk|pícaro
😒|unamused|molesto
🙄|rolling eyes|ojos en blanco
😬|grimace|mueca
😌|relieved|aliviado
😔|pensive|pensativo
😴|sleeping|dormido
🤒|ill thermometer|enfermo termómetro
🤧|sneeze|estornudo
🥵|hot|calor
🥶|cold|frío
🤯|mind blown|cabeza explota
🥳|party face|fiesta
😎|cool sunglasses|gafas de sol
🤓|nerd|empollón
😕|confused|confundido
😟|worried|preocupado
🙁|frown|triste leve
😮|surprised open mouth|sorprendido
😲|astonished|asombrado
😳|flushed|ruborizado
🥺|pleading|suplicante
😢|cry|llorar
😭|sob|llorar mucho
😱|scream|grito miedo
😩|weary|agotado
😤|huff|resoplido
😡|angry red|enfadado
🤬|swearing|insultos
💀|skull|calavera
💩|poo|caca
🤖|robot|robot` },
  { key: "people", emoji: `👍|thumbs up yes|pulgar arriba sí
👎|thumbs down no|pulgar abajo no
👌|ok hand|perfecto
✌️|victory|victoria
🤞|fingers crossed|dedos cruzados
🤙|call me|llámame
👋|wave hello|saludo hola
🤚|back of hand|mano
✋|stop hand|alto mano
👏|clap|aplauso
🙌|hands up hooray|manos arriba hurra
🙏|please thanks pray|gracias por favor rezar
🤝|handshake deal|apretón de manos trato
💪|strong muscle|fuerza músculo
👆|up|arriba
👇|down|abajo
👉|right|derecha
👈|left|izquierda
☝️|point up one|dedo arriba
✍️|writing|escribir
🤷|shrug|encogerse hombros
🤦|facepalm|mano en la cara
🙋|raise hand|levantar mano
💁|info desk|información
👩‍💼|office woman|oficinista mujer
👨‍💼|office man|oficinista hombre
👩‍🔧|mechanic woman|mecánica
👷|builder|obrero
👮|police|policía
🧑‍⚕️|doctor nurse|médico
👶|baby|bebé
👪|family|familia
👀|eyes look|ojos mirar
🫶|heart hands|manos corazón` },
  { key: "hearts", emoji: `❤️|red heart love|corazón rojo amor
🧡|orange heart|corazón naranja
💛|yellow heart|corazón amarillo
💚|green heart|corazón verde
💙|blue heart|corazón azul
💜|purple heart|corazón morado
🖤|black heart|corazón negro
🤍|white heart|corazón blanco
💔|broken heart|corazón roto
💕|two hearts|dos corazones
💯|hundred|cien
✨|sparkles|brillos
⭐|star|estrella
🔥|fire|fuego
🎉|party popper congratulations|celebración felicidades
🎊|confetti|confeti
🎁|gift present|regalo
🎂|birthday cake|tarta cumpleaños
🏆|trophy|trofeo
🥇|gold medal|medalla de oro
💥|boom|explosión
💤|sleep|sueño
💬|speech bubble|mensaje` },
  { key: "nature", emoji: `🐶|dog|perro
🐱|cat|gato
🐭|mouse|ratón
🐰|rabbit|conejo
🦊|fox|zorro
🐻|bear|oso
🐼|panda|panda
🐷|pig|cerdo
🐸|frog|rana
🐵|monkey|mono
🐔|chicken|gallina
🐧|penguin|pingüino
🦁|lion|león
🐴|horse|caballo
🐝|bee|abeja
🦋|butterfly|mariposa
🐢|turtle|tortuga
🐟|fish|pez
🌸|blossom|flor de cerezo
🌹|rose|rosa
🌻|sunflower|girasol
🌳|tree|árbol
🌵|cactus|cactus
🍀|clover luck|trébol suerte
🌍|earth globe|tierra mundo
🌙|moon|luna
☀️|sun|sol
⛅|cloud sun|nube sol
🌧️|rain|lluvia
⛈️|storm|tormenta
❄️|snow|nieve
🌈|rainbow|arcoíris
🌊|wave sea|ola mar` },
  { key: "food", emoji: `🍎|apple|manzana
🍌|banana|plátano
🍇|grapes|uvas
🍓|strawberry|fresa
🍉|watermelon|sandía
🍋|lemon|limón
🥑|avocado|aguacate
🍅|tomato|tomate
🌽|corn|maíz
🥕|carrot|zanahoria
🍞|bread|pan
🥐|croissant|cruasán
🧀|cheese|queso
🥚|egg|huevo
🍕|pizza|pizza
🍔|burger|hamburguesa
🍟|fries|patatas fritas
🌮|taco|taco
🍣|sushi|sushi
🍝|pasta|pasta
🥗|salad|ensalada
🍰|cake|pastel
🍫|chocolate|chocolate
🍪|cookie|galleta
☕|coffee|café
🍵|tea|té
🍺|beer|cerveza
🍷|wine|vino
🥂|cheers toast|brindis
🧉|mate|mate` },
  { key: "travel", emoji: `🚗|car|coche
🚕|taxi|taxi
🚌|bus|autobús
🚚|truck delivery|camión reparto
🏍️|motorbike|moto
🚲|bicycle|bicicleta
✈️|plane|avión
🚆|train|tren
🚢|ship|barco
🏠|house home|casa
🏢|office building|oficina edificio
🏪|shop store|tienda
🏥|hospital|hospital
🏦|bank|banco
🏨|hotel|hotel
🏖️|beach|playa
⛰️|mountain|montaña
🗺️|map|mapa
📍|pin place|lugar chincheta
🚦|traffic light|semáforo
⚽|football soccer|fútbol
🏀|basketball|baloncesto
🎾|tennis|tenis
🎵|music note|música nota
🎬|film|película
🎮|game|videojuego
🎯|target|diana` },
  { key: "things", emoji: `📱|phone|teléfono móvil
💻|laptop computer|ordenador portátil
⌚|watch|reloj
📷|camera|cámara
📞|receiver call|llamada teléfono
📦|parcel package|paquete
📬|mailbox|buzón
✉️|letter mail|carta correo
📎|paperclip|clip
📅|calendar|calendario
📌|pushpin|chincheta
📝|memo note|nota
📄|document page|documento página
📊|chart|gráfico
💰|money bag|dinero bolsa
💳|credit card|tarjeta
💵|banknote dollar|billete dólar
💶|euro|euro
🧾|receipt|recibo
🛒|shopping cart|carrito compra
🛍️|shopping bags|bolsas compra
🔑|key|llave
🔒|lock|candado
🔧|wrench|llave inglesa
🔨|hammer|martillo
💡|idea bulb|idea bombilla
🔋|battery|batería
🔔|bell|campana
⏰|alarm clock|despertador
⏳|hourglass|reloj de arena
💊|pill|pastilla
👕|shirt|camiseta
👟|shoe|zapato
👓|glasses|gafas
📚|books|libros` },
  { key: "signs", emoji: `✅|check done|hecho sí
✔️|tick|visto
❌|cross no|no cruz
❗|exclamation|exclamación
❓|question|pregunta
⚠️|warning|advertencia
🚫|forbidden|prohibido
♻️|recycle|reciclar
➡️|arrow right|flecha derecha
⬅️|arrow left|flecha izquierda
⬆️|arrow up|flecha arriba
⬇️|arrow down|flecha abajo
🔄|repeat refresh|repetir
🆗|ok|ok
🆕|new|nuevo
🔴|red circle|círculo rojo
🟡|yellow circle|círculo amarillo
🟢|green circle|círculo verde
🔵|blue circle|círculo azul
1️⃣|one|uno
2️⃣|two|dos
3️⃣|three|tres
#️⃣|hash|almohadilla
🇺🇸|usa flag|bandera eeuu
🇪🇸|spain flag|bandera españa
🇲🇽|mexico flag|bandera méxico
🇦🇷|argentina flag|bandera argentina
🇨🇴|colombia flag|bandera colombia
🇧🇷|brazil flag|bandera brasil
🇩🇪|germany flag|bandera alemania
🇫🇷|france flag|bandera francia
🇮🇹|italy flag|bandera italia
🇬🇧|uk flag|bandera reino unido
🇮🇳|india flag|bandera india` },
];
